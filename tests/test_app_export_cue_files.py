"""Chapters and edit lists, read back by small parsers written from WebVTT's and CMX3600's rules alone."""

import html
import re
from fractions import Fraction

import pytest
from analyses import make_analysis, make_clip

from app.export.cue_files import edl_text, timecode_base, vtt_text
from app.export.reviewed import Reviewed
from app.review.marks import Mark
from cmhkf.media.unseen import Unseen

LOOK = "look --> <b>here</b> & there\n\nNOTE trick\n"
MARKS = (
    Mark("a", 2 / 3, 2.0, "confirmed", "fighting", LOOK, "fighting", 0.9, 1.0),
    Mark("b", 2.0, 4.0, "dismissed", "riot", "", "riot", 0.6, 3.0),
    Mark("c", 3599.9996, 3601.0, "open", "a\u2028b", "", "riot", 0.6, 3600.0),
    Mark("d", 3700.0, 3700.0001, "open", "by hand"),
)


def reviewed(rate=Fraction(24), **clip):
    clip = make_clip(native_rate=rate, **{"name": "Front door\r\n2.mp4"} | clip)
    return Reviewed("id", make_analysis([0.1] * 6000, clip=clip), MARKS, 0.5, "2026-01-01T00:00:00+00:00")


def test_footage_that_was_not_seen_is_named_also_where_nothing_was_flagged():
    lost = (Unseen(17.3, 33.7, "the file is cut off"), Unseen(2.0, 3.0, "damaged"))
    named = ["not seen 17.3 to 33.7 s: the file is cut off", "not seen 2.0 to 3.0 s: damaged"]
    unknown = "is not known: an earlier version analysed it. Analyse it again."
    for unseen_s, said in ((lost, named), (None, [unknown]), ((), [])):
        analysis = make_analysis([0.1] * 9, unseen_s=unseen_s)
        clear = Reviewed("id", analysis, (), 0.5, "2026-01-01T00:00:00+00:00")
        vtt, edl = vtt_text(clear), edl_text(clear)
        assert read_vtt(vtt) == read_edl(edl, 30) == []
        assert all(text in vtt and text in edl for text in said)
        if not said:
            assert "seen" not in vtt + edl


def read_vtt(text):
    """[(start_s, end_s, [line])], or an assertion where a player would stumble."""
    assert text.startswith("WEBVTT\n\n")
    cues = []
    for block in re.split(r"\n{2,}", text.strip())[1:]:
        lines = block.split("\n")
        if lines[0].startswith("NOTE"):
            assert "-->" not in block
            continue
        found = re.fullmatch(r"(\d\d+):(\d\d):(\d\d\.\d{3}) --> (\d\d+):(\d\d):(\d\d\.\d{3})", lines[1])
        assert found, lines
        h1, m1, s1, h2, m2, s2 = found.groups()
        assert int(m1) < 60 > float(s1)
        assert not re.search(r"-->|<|&(?!(amp|lt|gt);)", "\n".join(lines[2:]))
        start, end = int(h1) * 3600 + int(m1) * 60 + float(s1), int(h2) * 3600 + int(m2) * 60 + float(s2)
        assert start < end
        cues.append((start, end, [html.unescape(line) for line in lines[2:]]))
    return cues


def read_edl(text, base):
    """[(reel, channels, source in, out, record in, out)] in frames."""
    lines = text.split("\r\n")
    assert lines[0].startswith("TITLE: ")
    assert lines[1] == "FCM: NON-DROP FRAME"
    events = []
    for line in lines[2:]:
        if not line or line.startswith("* "):
            continue
        found = re.fullmatch(
            r"(\d{3})  ([A-Z0-9 ]{8}) (V|B) {5}C {8}" + r" ".join([r"(\d\d:\d\d:\d\d:\d\d)"] * 4), line
        )
        assert found, repr(line)
        codes = [[int(n) for n in code.split(":")] for code in found.groups()[3:]]
        assert all(m < 60 and s < 60 and f < base for _, m, s, f in codes)
        assert int(found[1]) == len(events) + 1
        frames = [((h * 60 + m) * 60 + s) * base + f for h, m, s, f in codes]
        events.append((found[2].strip(), found[3], *frames))
    return events


def test_chapters_are_the_marks_kept_with_their_words():
    cues = read_vtt(vtt_text(reviewed()))
    assert [(a, b) for a, b, _ in cues] == [(0.667, 2.0), (3600.0, 3601.0), (3700.0, 3700.001)]
    assert cues[0][2] == ["fighting (confirmed, untrained score 0.90)", "look --> <b>here</b> & there NOTE trick"]
    assert (cues[1][2], cues[2][2]) == (["a b (open, untrained score 0.60)"], ["by hand (open, added by hand)"])


RATES = ("24 24 24", "25 25 25", "30 30 30", "60 60 60", "240 30 30", "1/4 30 30", "0 30 30")  # 0: not known
ODD = ("30000/1001 30 30000/1001", "24000/1001 24 24000/1001", "981/50 20 981/50")


@pytest.mark.parametrize("facts", [*RATES, *ODD])
def test_edit_lists_count_frames_of_the_file(facts):
    """The file's rate, the base of its timecode, and the frames counted a second."""
    rate, base, counted = map(Fraction, facts.split())
    events = read_edl(edl_text(reviewed(rate or None)), base)
    kept = [m for m in MARKS if m.state != "dismissed"]
    assert len(events) == len(kept)
    recorded = 0
    for mark, (reel, channels, start, end, rec_in, rec_out) in zip(kept, events, strict=True):
        assert (reel, channels) == ("FRONTDOO", "B")
        assert abs(start / counted - mark.start_s) <= 0.5 / counted + 1e-9
        assert abs(end / counted - mark.end_s) <= 1 / counted
        assert end > start
        assert (rec_in, rec_out) == (recorded, recorded + end - start)
        recorded = rec_out


def test_edit_lists_say_what_their_timecode_is():
    assert timecode_base(Fraction(25))[2] == "FRAME RATE: 25 FPS"
    assert "30000/1001 = 29.970 FPS, COUNTED AS 30" in edl_text(reviewed(Fraction(30000, 1001)))
    varies = "THE FRAME RATE VARIES OR IS NOT STATED; TIMECODE HERE IS CLOCK TIME AT 30 FPS"
    assert varies in edl_text(reviewed(None))
    assert "FRAME RATE: 240.000 FPS; TIMECODE HERE IS CLOCK TIME" in edl_text(reviewed(Fraction(240)))
    assert "NOT TRAINED" in edl_text(reviewed())
    assert "* FROM CLIP NAME: Front door 2.mp4" in edl_text(reviewed())
    assert read_edl(edl_text(reviewed(has_audio=False, name="日本.mp4")), 24)[0][:2] == ("CLIP", "V")
