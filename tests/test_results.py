"""A folder's two tables hold what its analyses say, and are whole or not at all."""

import re
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from analyses import make_analysis, make_clip

from cmhkf import Analysis, flag_segments, results
from cmhkf.results import SEGMENTS, SNIPPETS, write_tables
from cmhkf.segments import strongest_class

DOC = Path(__file__).parents[1] / "docs" / "batch.md"


def rows(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


@pytest.fixture
def folder(tmp_path):
    """An analysis with two segments, one with none and no audio, a long one that changes class, and a foreign file."""
    make_analysis([0.1, 0.9, 0.8, 0.1, 0.1, 0.1, 0.7, 0.1], clip=make_clip(sha256="1" * 64)).save(tmp_path / "a.npz")
    silent = {"audio_level_db": None, "trained": True, "model_id": "m@1"}
    make_analysis([0.1, 0.2], clip=make_clip(path="s3://b/c.mp4"), **silent).save(tmp_path / "b.npz")
    probs = np.eye(3)[[1] * 20 + [2] * 10]
    make_analysis(np.linspace(0, 1, 30), class_probs=probs).save(tmp_path / "c.npz")
    (tmp_path / "foreign.npz").write_text("no analysis")
    return tmp_path


@pytest.mark.parametrize("group", [5, 50_000])
def test_the_tables_equal_the_analyses(folder, group, monkeypatch):
    monkeypatch.setattr(results, "GROUP_ROWS", group)
    assert write_tables(folder, 0.6) == ["foreign.npz"]
    segments, snippets = rows(folder, "segments"), rows(folder, "snippets")
    assert [row["file"] for row in segments] == ["a.npz", "a.npz", "c.npz"]
    assert [run["label"] for run in segments[-1]["class_runs"]] == ["fighting", "explosion"]
    for name in ("a.npz", "b.npz", "c.npz"):
        analysis = Analysis.load(folder / name)
        whose = {"file": name, "video": analysis.clip.path, "sha256": analysis.clip.sha256}
        whose |= {"model_id": analysis.model_id, "trained": analysis.trained}
        cut = [row for row in segments if row["file"] == name]
        found = flag_segments(analysis, 0.6)
        assert len(cut) == len(found)
        for i, (row, segment) in enumerate(zip(cut, found, strict=True)):
            told = {field: value for field, value in vars(segment).items() if field != "near_miss"}
            told["class_runs"] = [vars(run) for run in segment.class_runs]
            assert row == whose | {"threshold": 0.6, "segment": i} | told
        of_clip = [row for row in snippets if row["file"] == name]
        assert len(of_clip) == analysis.n_snippets
        for i, row in enumerate(of_clip):
            label, prob = strongest_class(analysis, i, i + 1)
            level = None if analysis.audio_level_db is None else analysis.audio_level_db[i]
            assert row.items() >= whose.items()
            assert (row["snippet"], row["label"], row["audio_level_db"]) == (i, label, level)
            assert row["label_prob"] == pytest.approx(prob, abs=1e-6)
            assert (row["start_s"], row["end_s"]) == (analysis.times_s[i], analysis.timeline.ends_s[i])
            assert (row["score"], row["alignment_score"]) == (analysis.scores[i], analysis.alignment_scores[i])
            assert row["saliency"] == analysis.saliency[i]
            assert dict(row["cues"]) == {cue: values[i] for cue, values in analysis.cues.items()}
            assert dict(row["class_probs"]) == dict(zip(analysis.classes, analysis.class_probs[i], strict=True))


def test_an_empty_folder_gives_empty_tables(tmp_path):
    assert write_tables(tmp_path, 0.5) == []
    assert pq.read_schema(tmp_path / "segments.parquet").equals(SEGMENTS)
    assert pq.read_table(tmp_path / "snippets.parquet").num_rows == 0
    assert pq.read_schema(tmp_path / "snippets.parquet").equals(SNIPPETS)


def test_tables_that_fail_leave_those_of_before(folder, monkeypatch):
    write_tables(folder, 0.5)
    before = (folder / "snippets.parquet").read_bytes()
    monkeypatch.setattr(results, "_snippets", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_tables(folder, 0.5)
    assert (folder / "snippets.parquet").read_bytes() == before
    assert not list(folder.glob("*.part"))


def test_pandas_opens_them(folder):
    pandas = pytest.importorskip("pandas")
    write_tables(folder, 0.5)
    frame = pandas.read_parquet(folder / "segments.parquet")
    assert frame.groupby("file")["score"].max().to_dict() == pytest.approx({"a.npz": 0.9, "c.npz": 1.0})


def test_duckdb_answers_what_the_document_asks(folder, monkeypatch):
    """Each answer beside the same, counted from the analyses."""
    write_tables(folder, 0.5)
    monkeypatch.chdir(folder)
    document = DOC.read_text().replace("'out/", "'")
    high, means, fighting = document.split("```sql\n")[1].split("```")[0].split(";")[:3]
    by_class = re.search(r"`(SELECT \* FROM [^`]*)`", document)[1]
    analyses = {name: Analysis.load(folder / name) for name in ("a.npz", "b.npz", "c.npz")}
    segments = [(a.clip.path, s) for a in analyses.values() for s in flag_segments(a, 0.5)]

    highest = sorted(((path, s) for path, s in segments if s.score > 0.8), key=lambda found: -found[1].score)
    wanted = [(path, s.start_s, s.end_s, s.label, s.score) for path, s in highest]
    assert duckdb.sql(high).fetchall() == wanted
    assert wanted

    videos = {path: [a for a in analyses.values() if a.clip.path == path] for path, _ in segments}
    videos |= {"s3://b/c.mp4": [analyses["b.npz"]]}
    wanted = {path: np.concatenate([a.scores for a in found]).mean() for path, found in videos.items()}
    assert dict(duckdb.sql(means).fetchall()) == pytest.approx(wanted)
    wanted = {
        path: max(a.class_probs[:, a.classes.index("fighting")].max() for a in found) for path, found in videos.items()
    }
    assert dict(duckdb.sql(fighting).fetchall()) == pytest.approx(wanted)

    wanted = {
        (path, s.start_s) for path, s in segments if "fighting" in {s.label, *(run.label for run in s.class_runs)}
    }
    found = duckdb.sql(by_class)
    place = [found.columns.index(name) for name in ("video", "start_s")]
    assert {tuple(row[i] for i in place) for row in found.fetchall()} == wanted
    assert len(wanted) > 0
