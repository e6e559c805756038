"""What file names tell of a camera and of the time, and what they do not; and which frames stand on a strip."""

from datetime import datetime

import pytest
from analyses import make_analysis, make_clip
from fakes import make_video, until

from app.clips.names import Named, named
from app.clips.strips import FRAMES, Strips, Wanted, early_moment, frame_times_of, peak_frame, peak_moment
from cmhkf.media.clip import probe


@pytest.mark.parametrize(
    ("name", "camera", "begun", "timespec"),
    [
        ("gate 2 2026-11-29 22-05-10.mp4", "gate 2", datetime(2026, 11, 29, 22, 5, 10), "seconds"),
        ("cam07_20261129_2205.mkv", "cam07", datetime(2026, 11, 29, 22, 5), "minutes"),
        ("2026-11-29T22-05-10_yard.mp4", "yard", datetime(2026, 11, 29, 22, 5, 10), "seconds"),
        ("lobby 2026.11.29.mp4", "lobby", datetime(2026, 11, 29), ""),
        ("20261129.mp4", "", datetime(2026, 11, 29), ""),
    ],
)
def test_a_date_and_what_stands_before_it(name, camera, begun, timespec):
    assert named(name) == Named(camera, begun, timespec)


@pytest.mark.parametrize("name", ["Fighting003_x264.mp4", "take 2026-13-41.mp4", "1234567890123.mp4", "clip.mp4"])
def test_nothing_is_guessed(name):
    assert named(name) == Named()


def test_a_strip_holds_even_frames_and_the_peak():
    wanted = Wanted("ab" * 32, 10.0, 18.0, 15.2)
    times = frame_times_of(wanted)
    assert times == sorted(times)
    assert (len(times), times[0], times[peak_frame(wanted)]) == (FRAMES, 10.5, 15.2)
    assert peak_frame(Wanted("ab" * 32, 10.0, 18.0, None)) == FRAMES // 2


def test_a_keyframe_is_one_frame_at_the_peak_or_early_and_never_after_the_last():
    wanted = peak_moment(make_analysis([0.1, 0.9, 0.3]))
    assert frame_times_of(wanted) == [pytest.approx(1.0)]
    assert (wanted.n_frames, peak_frame(wanted)) == (1, 0)
    assert peak_moment(make_analysis([0.9], duration_s=0.3)).start_s == pytest.approx(0.2)
    assert peak_moment(make_analysis([0.9], duration_s=0.05)).start_s == 0
    assert [early_moment(make_clip(duration_s=s)).start_s for s in (60.0, 0.5)] == [1.0, 0.25]


def test_strips_are_made_in_the_background_and_what_fails_says_why(workspace, tmp_path):
    clip = workspace.add(probe(make_video(tmp_path / "door.mp4", seconds=4)), "door.mp4", move=False)
    strips = Strips(workspace.store, workspace.scheduler)
    good, gone = Wanted(clip.sha256, 0.5, 2.5, 1.0), Wanted("ee" * 32, 0.5, 2.5, None)
    until(lambda: all(path or why for path, why in strips.of([good, gone])))
    (path, _), (_, why) = strips.of([good, gone])
    assert path.name.startswith(clip.sha256)
    assert path.read_bytes().startswith(b"\xff\xd8")
    assert "no clip" in why
