"""Figures for print: the files open, what is untrained says so, key frames lie where truth and score put them."""

import struct
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from analyses import make_analysis
from fakes import make_video
from training_sets import table_of

from cmhkf import Analysis
from cmhkf.cli import main
from cmhkf.errors import ConfigError, MediaError
from cmhkf.figures.embeddings import embeddings, point_values
from cmhkf.figures.lanes import saliency, similarity
from cmhkf.figures.projection import project
from cmhkf.figures.qualitative import key_frames, qualitative, read_frames
from cmhkf.figures.style import class_mark, save_figure
from cmhkf.media.clip import probe

ROOT = Path(__file__).parents[1]
N = 12
TRUTH = [(2.0, 4.0, "fighting")]


def shown(n=N, **changes):
    """An analysis with something to see in every figure; its video is not there."""
    rng = np.random.default_rng(0)
    values = {
        "clip_embeddings": rng.standard_normal((n, 8)),
        "similarity": 0.3 * rng.random((n, 3)),
        "top_classes": np.array([[1, 0]]),
    }
    return make_analysis(np.linspace(0, 1, n), **values | changes)


def trained(n=N):
    return shown(n, trained=True, fused_embeddings=np.random.default_rng(1).standard_normal((n, 5)))


def words(svg: Path) -> str:
    """All text of an SVG, which stays text."""
    return " ".join(t.strip() for t in ET.parse(svg).getroot().itertext() if t.strip())


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """An analysis whose video is there: 8 s, 12 snippets."""
    clip = probe(make_video(tmp_path_factory.mktemp("clips") / "yard.mp4", seconds=8, size="320x180"))
    return replace(shown(), clip=clip)


def draw(kind, analyses):
    if kind == "embeddings":
        return embeddings(analyses, project(analyses), colours=("class", "score"))
    if kind == "qualitative":
        return qualitative(analyses, truths=[TRUTH] * len(analyses))
    return {"similarity": similarity, "saliency": saliency}[kind](analyses)


KINDS = ("qualitative", "embeddings", "similarity", "saliency")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written_in_every_form(kind, tmp_path):
    figure = draw(kind, [shown()])
    pdf, svg, png = (save_figure(figure, tmp_path / f"figure.{form}") for form in ("pdf", "svg", "png"))
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"/Type3" not in pdf.read_bytes().replace(b" ", b"")  # fonts that journals take
    assert ET.parse(svg).getroot().tag.endswith("svg")
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    assert (width, height) == pytest.approx(tuple(figure.get_size_inches() * 300), abs=1)
    assert width in (3.4 * 300, 7 * 300)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_untrained_says_so_and_what_is_trained_does_not(kind, tmp_path):
    said = words(save_figure(draw(kind, [shown()]), tmp_path / "untrained.svg"))
    assert "Untrained: no trained head took part." in said
    assert "ntrained" not in words(save_figure(draw(kind, [trained()]), tmp_path / "trained.svg"))
    mixed = shown(clip=replace(shown().clip, name="b$1_$.mp4"))
    if kind != "embeddings":
        assert "Untrained (b$1_$.mp4):" in words(save_figure(draw(kind, [trained(), mixed]), tmp_path / "mixed.svg"))


def test_the_same_figure_is_the_same_file(tmp_path):
    for form in ("pdf", "svg"):
        one, two = (save_figure(similarity([shown()]), tmp_path / f"{i}.{form}").read_bytes() for i in range(2))
        assert one == two


def test_no_text_is_smaller_than_7_points(tmp_path):
    from matplotlib.text import Text

    for kind in KINDS:
        figure = draw(kind, [shown(), shown()])
        save_figure(figure, tmp_path / "figure.svg")
        sizes = [t.get_fontsize() for t in figure.findobj(Text) if t.get_text()]
        assert min(sizes) >= 7
        assert max(sizes) <= 8


def test_saliency_is_named_as_what_it_is(tmp_path):
    said = words(save_figure(saliency([shown()]), tmp_path / "saliency.svg"))
    assert "Video-text saliency projected on the audio axis: no sound is in it." in said


def test_similarity_names_classes_and_marks_the_chosen(tmp_path):
    said = words(save_figure(similarity([shown()]), tmp_path / "similarity.svg"))
    assert "normal ●" in said
    assert "fighting ●" in said
    assert "explosion ●" not in said


def test_classes_can_be_told_apart_without_colour():
    assert len({marker for _, marker in map(class_mark, range(14))}) == 14


def test_points_are_coloured_by_hand_counted_truth():
    analyses = [shown(), shown()]
    values = point_values(analyses, project(analyses), "truth", [TRUTH, None])
    # Middles of snippets lie at 1/3 + 2k/3 s: those of 3, 4 and 5 are 2.33, 3.0 and 3.67.
    assert values.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0] + [-1] * 12


def test_colouring_by_truth_needs_some():
    analyses = [shown()]
    with pytest.raises(ConfigError, match="--truth"):
        embeddings(analyses, project(analyses), colours=("truth",), truths=[None])
    with pytest.raises(ConfigError, match="'mood'; choose one of class, score, truth"):
        embeddings(analyses, project(analyses), colours=("mood",))  # type: ignore[arg-type]


def test_key_frames_show_the_anomaly_and_the_calm():
    analysis = shown()  # the score rises from 0 to 1
    frames = key_frames(analysis, TRUTH, 4)  # parts 0-2, 3-5, 6-8, 9-11
    assert [f.snippet_idx for f in frames] == [1, 5, 7, 10]
    assert [f.anomalous for f in frames] == [False, True, False, False]
    assert frames[1].time_s == pytest.approx(5 * 2 / 3 + 1 / 3)
    assert [f.anomalous for f in key_frames(analysis, None, 2)] == [False, True]  # by score
    assert [f.anomalous for f in key_frames(analysis, [], 3)] == [False] * 3
    assert len(key_frames(shown(2), None, 5)) == 2


def test_frames_come_from_the_analysed_video(seen):
    frames = key_frames(seen, TRUTH, 4)
    pictures = read_frames(seen, frames)
    assert [p.shape for p in pictures] == [(240, 427, 3)] * 4
    assert all((a != b).any() for a, b in pairwise(pictures))
    with pytest.raises(MediaError, match="another file"):
        read_frames(replace(seen, clip=replace(seen.clip, size_bytes=1)), frames)


def test_a_missing_video_is_a_note_and_the_curve_is_drawn(seen, tmp_path):
    said = words(save_figure(qualitative([seen, shown()], truths=[TRUTH, None]), tmp_path / "figure.svg"))
    assert "No frames of clip.mp4: clip.mp4 is no longer at clip.mp4." in said
    assert "No frames of yard" not in said
    assert "(a) yard.mp4" in said
    assert "(b) clip.mp4" in said
    assert "ground truth" in said


# The command line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    (tmp_path / "damaged.npz").write_bytes(shown().save(tmp_path / "good.npz").read_bytes()[:200])
    (tmp_path / "truth.csv").write_text("clip,class,segments_s\nclip.mp4,fighting,2-4\n")
    return tmp_path


def run(monkeypatch, *arguments):
    """The exit code of the command line within this process."""
    monkeypatch.setattr(sys, "argv", ["cmhkf", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_figure_draws_every_kind(kind, files, monkeypatch, capsys):
    out = files / "figures" / f"{kind}.svg"
    options = ["--colour", "class,truth"] if kind == "embeddings" else []
    arguments = ["figure", files / "good.npz", "--kind", kind, "--truth", files / "truth.csv", "--out", out, *options]
    assert (run(monkeypatch, *arguments), capsys.readouterr().out.strip()) == (0, str(out))
    assert "ntrained" in words(out)


def test_figure_does_the_good_ones_and_names_the_bad(files, monkeypatch, capsys):
    out = files / "f.pdf"
    arguments = ["figure", files / "good.npz", files / "damaged.npz", "--kind", "saliency", "--out", out]
    assert run(monkeypatch, *arguments) == 1
    assert "damaged.npz is not a readable analysis" in capsys.readouterr().err
    assert out.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure", "good.npz", "--kind", "saliency", "--out", "f.bmp"], "'.bmp'; figures are written as .pdf"),
        (["figure", "nothing.npz", "--kind", "saliency", "--out", "f.pdf"], "nothing.npz: no such file"),
        (["figure", "damaged.npz", "--kind", "saliency", "--out", "f.pdf"], "none of these files is an analysis"),
        (["figure", "good.npz", "--kind", "poem", "--out", "f.pdf"], "poem"),
        (["figure", "good.npz", "--kind", "embeddings", "--colour", "truth", "--out", "f.pdf"], "--truth"),
        (["figure", "good.npz", "--kind", "qualitative", "--truth", "other.csv", "--out", "f.pdf"], "not among the"),
        (["embed", "good.npz", "--out", "p.csv", "--image", "f.gif"], "'.gif'"),
        (["embed", "good.npz", "--out", "p.csv", "--method", "pca"], "pca"),
    ],
)
def test_bad_usage_exits_2_and_writes_nothing(arguments, message, files, monkeypatch, capsys):
    (files / "other.csv").write_text("clip,class,segments_s\nother.mp4,fighting,2-4\n")
    monkeypatch.chdir(files)
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(files.glob("f.*"))
    assert not (files / "p.csv").exists()


def test_embed_writes_one_line_per_snippet(files, monkeypatch, capsys):
    out, image = files / "points.csv", files / "points.png"
    arguments = ["embed", files / "good.npz", "--truth", files / "truth.csv", "--out", out, "--image", image]
    assert run(monkeypatch, *arguments) == 0
    assert "untrained: no trained head took part" in capsys.readouterr().err
    rows = table_of(out)
    expected = project([Analysis.load(files / "good.npz")]).raw.xy
    assert [float(row["raw_x"]) for row in rows] == pytest.approx(expected[:, 0].tolist(), rel=1e-5)
    assert ([row["truth"] for row in rows].count("anomalous"), {row["fused_x"] for row in rows}) == (3, {""})
    assert {row["trained"] for row in rows} == {"False"}
    assert image.read_bytes().startswith(b"\x89PNG")
