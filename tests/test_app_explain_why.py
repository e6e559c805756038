"""Why a segment was flagged: numbers checked by hand, neighbours against brute force, truth against cmhkf.metrics."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analyses import make_analysis, make_clip
from fakes import analysed, make_video, open_workspace, uploaded

from app.clips.store import Store, analysis_id
from app.clips.truths import TruthStore, fit
from app.explain import why
from app.explain.explain import own_classes, typed_names
from app.web.page import Page
from cmhkf import CheckpointError, ConfigError
from cmhkf.errors import DataError
from cmhkf.metrics.frames import frame_metrics
from cmhkf.timeline import Timeline

SCORES = [0.1, 0.1, 0.9, 0.8, 0.1, 0.1, 0.1, 0.1]
THERE = np.isin(np.arange(8), [2, 3])


def analysis(**changes):
    similarity = np.zeros((8, 3))
    similarity[2:4, 1], similarity[2:4, 2] = 0.4, 0.2
    similarity[0, 2] = 0.6
    return make_analysis(SCORES, similarity=similarity, top_classes=np.array([[2, 1]]), **changes)


def test_a_segment_holds_the_snippets_whose_middle_it_holds():
    assert np.flatnonzero(why.inside(analysis(), 4 / 3, 8 / 3)).tolist() == [2, 3]
    assert np.flatnonzero(why.inside(analysis(), 1.6, 2.4)).tolist() == [2, 3]
    assert np.flatnonzero(why.inside(analysis(), 2.1, 2.2)).tolist() == [3]  # shorter than a snippet


def test_chosen_classes_inside_and_in_the_rest():
    first, second = why.chosen_classes(analysis(), THERE)
    assert (first.name, second.name) == ("fighting", "explosion")
    assert (first.inside, first.rest) == pytest.approx((0.4, 0.0))
    assert ((second.inside, second.rest), second.low, second.high) == (pytest.approx((0.2, 0.6 / 6)), 0.0, 0.6)
    assert why.contrast("all", np.ones(8), np.ones(8, bool)).rest is None


def test_a_segment_asks_the_windows_it_lies_in():
    line = Timeline(600, 400.0)
    facts = {"similarity": np.zeros((600, 3)), "top_classes": np.array([[0, 1], [1, 2], [2, 0]])}
    made = make_analysis(np.linspace(0, 1, 600), timeline=line, saliency=np.ones(600), **facts)
    assert {c.name for c in why.chosen_classes(made, np.arange(600) < 10)} == {"normal", "fighting"}
    across = why.chosen_classes(made, abs(np.arange(600) - 256) < 5)
    assert {c.name for c in across} == {"normal", "fighting", "explosion"}


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.5, "goes from 0.85 to 0.43: sound raised it."),
        (1.1, "from 0.85 to 0.94: sound held it down."),
        (1.01, "made no"),
    ],
)
def test_a_modality_left_out_is_put_into_words(factor, words):
    without = np.asarray(SCORES) * factor
    sound, _ = why.what_ifs(analysis(modality_scores={"without_audio": without}), THERE)
    assert words in sound.words
    np.testing.assert_allclose(sound.scores, without)


def test_shares_of_the_anomaly_classes_name_the_segment():
    """By hand: fighting and explosion have .2 and .6 of .8 inside, and .1 each of .2 in the rest."""
    probs = np.array([[0.2, 0.2, 0.6], [0.2, 0.2, 0.6], [0.8, 0.1, 0.1]])
    told = why.shares(make_analysis([0.8, 0.8, 0.2], class_probs=probs), np.array([True, True, False]))
    assert [c.name for c in told] == ["explosion", "fighting"]
    assert [(c.inside, c.rest) for c in told] == [pytest.approx((0.75, 0.5)), pytest.approx((0.25, 0.5))]


def test_the_headline_says_where_name_and_pictures_disagree():
    fight = why.Contrast("fighting", 0.4, 0.1, 0, 1)
    assert why.headline("riot", [fight], [], []) == (
        "Its pictures look most like fighting; the model calls it riot, so the two disagree."
    )
    assert why.headline("", [fight], [], []) == "Its pictures look most like fighting."


def test_the_headline_names_the_strongest_reasons():
    sound = why.WhatIf("sound", "", np.zeros(8), 0.35)
    fight, boom = why.Contrast("fighting", 0.4, 0.1, 0, 1), why.Contrast("explosion", 0.1, 0.4, 0, 1)
    motion, light = why.Contrast("motion", 0.62, 0.2, 0, 1), why.Contrast("light", 0.3, 0.2, 0, 1)
    assert why.headline("fighting", [fight, boom], [sound, why.WhatIf("text", "")], [light, motion]) == (
        "Its pictures look most like fighting; sound raised the score by 0.35; motion about 3 times as strong as in "
        "the rest of the clip."
    )
    assert why.headline("explosion", [boom], [], [why.Contrast("light", 0.2, 0.2, 0, 1)]) == (
        "Its pictures look most like explosion, but no more than the rest of the clip."
    )


@pytest.mark.parametrize(
    ("inside", "words"), [(0.5, "about 2.5 times"), (2.48, "about 12 times"), (9.68, "more than 20 times"), (0.3, None)]
)
def test_a_cue_far_above_the_rest_is_told_in_round_numbers(inside, words):
    said = why.headline(
        "riot", [why.Contrast("riot", 0.4, 0.1, 0, 1)], [], [why.Contrast("screams", inside, 0.2, 0, 10)]
    )
    told = f"; screams {words} as strong as in the rest of the clip" if words else ""
    assert said == f"Its pictures look most like riot{told}."


def test_a_sound_that_was_never_heard_is_no_reason():
    """Three thousandths are a hundred times three hundred-thousandths, and no breaking glass."""
    faint, loud, still = np.full(8, 3e-5), np.full(8, 0.1), np.full(8, 0.001)
    faint[2:4], loud[2:4], still[2:4] = 0.003, 0.6, 0.004
    cues = {"glass": faint, "gunshot": loud, "motion": still}
    made = analysis(cues=cues, audio_cues=("glass", "gunshot"))
    assert [c.name for c in why.reasons(made, why.cues(made, THERE))] == ["gunshot", "motion"]


@pytest.mark.parametrize(("name", "noise", "seen"), [("fight actions", 0.001, 0.06), ("motion", 0.002, 0.004)])
def test_a_cue_that_is_no_more_than_noise_is_no_reason(name, noise, seen):
    """However many times the rest of the clip, where nothing is, it is."""
    for inside, expected in ((noise, []), (seen, [name])):
        made = analysis(cues={name: np.where(THERE, inside, 1e-5)})
        assert [c.name for c in why.reasons(made, why.cues(made, THERE))] == expected


@pytest.mark.parametrize(
    ("changes", "sound", "text"),
    [
        ({"audio_level_db": None, "modalities": "VT"}, "no sound track", "from the cues below"),
        ({"modalities": "VT"}, "silent", "from the cues below"),
        ({"score_source": "1 - P(normal), untrained"}, "pictures with class texts alone", "cannot be left out"),
        ({"trained": True, "modalities": "V"}, "does not listen", "made without it"),
    ],
)
def test_a_modality_that_played_no_part_is_named(changes, sound, text):
    found = why.what_ifs(analysis(**{"modality_scores": {}, "score_source": "named cues, untrained"} | changes), THERE)
    assert sound in found[0].words
    assert text in found[1].words
    assert found[0].scores is None


def test_pooling_loses_no_peak():
    values = np.random.default_rng(0).random(1001)
    assert why.pooled(values, 240).tolist() == [values[i : i + 5].max() for i in range(0, 1001, 5)]
    assert why.pooled(values[:7], 240).tolist() == values[:7].tolist()


def library(n_clips=5, n=90):
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(4, 16))
    return {
        f"clip{i}": make_analysis(
            rng.random(n), clip_embeddings=centres[rng.integers(4, size=n)] + rng.normal(size=(n, 16))
        )
        for i in range(n_clips)
    }


def test_neighbours_are_those_of_brute_force():
    made = library()
    avoid = np.isin(np.arange(90), range(40, 50))
    found = why.Neighbours(made.__getitem__).nearest("clip0", 44, among=[*made], avoid=avoid, snippet_s=2 / 3, count=6)

    wanted, pairs = made["clip0"].clip_embeddings[44], []
    for key, each in made.items():
        for i, row in enumerate(each.clip_embeddings):
            if key != "clip0" or min(abs(i - j) for j in range(40, 50)) >= 6:
                pairs.append((wanted @ row / np.linalg.norm(wanted) / np.linalg.norm(row), key, i))
    expected = []
    for cosine, key, i in sorted(pairs, reverse=True):
        if all(key != k or abs(i - j) >= 6 for _, k, j in expected):
            expected.append((cosine, key, i))
    assert [(f.analysis_id, f.snippet) for f in found] == [(key, i) for _, key, i in expected[:6]]
    assert [f.similarity for f in found] == pytest.approx([cosine for cosine, _, _ in expected[:6]], abs=1e-5)


def test_neighbours_of_a_trained_head_are_those_of_its_embeddings():
    np.testing.assert_allclose(why.unit_rows(analysis(trained=True, fused_embeddings=np.eye(8))), np.eye(8))
    assert why.unit_rows(analysis()).shape == (8, 4)


def test_a_clip_that_is_all_segment_has_no_neighbour_in_itself():
    found = why.Neighbours(lambda key: analysis()).nearest("a", 2, among=["a"], avoid=np.ones(8, bool), snippet_s=2 / 3)
    assert found == []


def test_what_cannot_be_read_is_left_out_of_the_search(caplog):
    def load(key):
        if key == "bad":
            raise CheckpointError("bad is not a readable analysis")
        return library()[key]

    found = why.Neighbours(load).nearest("clip0", 3, among=["clip0", "bad"], avoid=np.arange(90) == 3, snippet_s=2 / 3)
    assert {n.analysis_id for n in found} == {"clip0"}
    assert "bad is not a readable analysis" in caplog.text


def test_the_least_used_rows_go_first():
    made, loads = library(), []
    search = why.Neighbours(lambda key: loads.append(key) or made[key], limit_bytes=3 * 90 * 16 * 4)
    for key in ("clip0", "clip1", "clip2", "clip0", "clip3", "clip0", "clip1"):
        search.rows(key)
    assert loads == ["clip0", "clip1", "clip2", "clip3", "clip1"]


def test_names_are_separated_by_commas_and_lines():
    assert typed_names(" fire, knife ,\n person  falling;fire,") == ["fire", "knife", "person falling"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ,\n", "no class name was typed"),
        (",".join(map(str, range(13))), "13 class names were typed; at most 12"),
        ("a" * 81, "has 81 characters"),
    ],
)
def test_wrong_names_are_explained(text, message):
    with pytest.raises(ConfigError, match=message):
        typed_names(text)


def test_an_own_class_has_its_peak():
    similarity = np.zeros((3, 2))
    similarity[1, 0], similarity[2, 1] = 0.5, 0.25
    a, b = own_classes(["fire", "knife"], similarity, Timeline(3, 1.9))
    assert (a.name, a.peak, a.mean) == ("fire", 0.5, pytest.approx(0.5 / 3))
    assert (a.peak_s, b.peak_s) == pytest.approx((1.0, 5 / 3))


TRUTH = "clip,class,segments_s\nclip.mp4,riot,1.5-2.5\nall.mp4,riot,0-99\nquiet.mp4,normal,\n"


def test_truth_is_kept_until_it_is_dropped(tmp_path):
    store = Store(tmp_path, "sqlite://")
    keeper, file = TruthStore(store), tmp_path / "x7f3.csv"
    file.write_text(TRUTH)
    made = analysis()
    assert keeper.kept(made.clip.sha256) is None
    assert keeper.take(file, "truth.csv", made).segments == [(1.5, 2.5, "riot")]
    assert TruthStore(store).kept(made.clip.sha256) == keeper.take(file, "truth.csv", made)
    missing = replace(made, clip=make_clip(name="other.mp4"))
    with pytest.raises(DataError, match=r"'other' is not among the clips of truth.csv"):
        keeper.take(file, "truth.csv", missing)
    (tmp_path / "truth" / f"{made.clip.sha256}.json").write_text("{")
    assert keeper.kept(made.clip.sha256) is None
    keeper.drop(made.clip.sha256)
    keeper.drop(made.clip.sha256)


def test_the_fit_equals_the_metrics_of_the_protocol():
    made = make_analysis(np.random.default_rng(2).random(8))
    labels = np.zeros(128)
    labels[36:60] = 1  # 1.5 s to 2.5 s of 24 frames
    expected = frame_metrics(np.repeat(made.scores, 16), labels)
    found = fit(made, [(1.5, 2.5, "riot")])
    assert (found.ap, found.auc, found.prevalence) == (expected.ap, expected.auc, expected.prevalence)
    assert found.prevalence == 24 / 128


@pytest.mark.parametrize(("truth", "words"), [([], "normal throughout"), ([(0, 9, "riot")], "Every frame")])
def test_without_both_kinds_there_is_no_number(truth, words):
    found = fit(analysis(), truth)
    assert found.ap is found.auc is None
    assert words in found.why_not


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "corridor.mp4", seconds=20)


@pytest.fixture
def page(tmp_path, analyzer, clip_file):
    """The page's handlers, the id of an analysed clip, and the workspace."""
    workspace = open_workspace(tmp_path, analyzer)
    yield Page(workspace).handlers(), analysed(workspace, clip_file), workspace
    workspace.close()


def test_the_page_asks_why(page):
    handlers, key, workspace = page
    answer = handlers["why"]({"analysis_id": key, "start_s": 12.0, "end_s": 16.0})
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert answer["classes"][0]["name"] == "car accident"
    assert answer["classes"][0]["inside"] > answer["classes"][0]["rest"]
    assert (answer["from_s"], answer["to_s"]) == pytest.approx((6.0, 20.0), abs=0.7)
    assert answer["scores"] == pytest.approx(workspace.analysis(key).scores[9:].tolist(), abs=1e-4)
    share = why.inside(workspace.analysis(key), 12.0, 16.0).mean()
    saliency = answer["saliency"]
    assert share * saliency["inside"] + (1 - share) * saliency["rest"] == pytest.approx(1)
    assert "sound raised it" in answer["what_ifs"][0]["words"]
    near = handlers["neighbours"]({"analysis_id": key, "start_s": 12.0, "end_s": 16.0})
    assert near["n_clips"] == 1
    assert all(n["here"] and not 8.6 < n["time_s"] < 19.3 for n in near["neighbours"])
    assert near["neighbours"]


def test_neighbours_are_of_the_same_model_and_recipe(page):
    handlers, key, workspace = page
    other = replace(workspace.analysis(key), model_id="other", clip_embeddings=np.ones((30, 3)))
    assert workspace.store.save(other) == analysis_id(other.clip.sha256, "other", other.recipe_hash)
    assert handlers["neighbours"]({"analysis_id": key, "start_s": 12.0, "end_s": 16.0})["n_clips"] == 1


def test_the_page_compares_typed_classes(page, analyzer):
    handlers, key, workspace = page
    answer = handlers["compare"]({"analysis_id": key, "text": "fire, knife"})
    assert [c["name"] for c in answer["classes"]] == ["fire", "knife"]
    assert [c["peak_s"] for c in answer["classes"]] == pytest.approx([20 / 3, 40 / 3], abs=0.7)
    assert "no class name" in handlers["compare"]({"analysis_id": key, "text": " "})["error"]
    adapted = workspace.store.save(replace(workspace.analysis(key), model_id="fake-adapted"))  # reads the same features
    assert handlers["compare"]({"analysis_id": adapted, "text": "fire, knife"}) == answer
    analyzer.kept.clear()
    assert "not kept any more" in handlers["compare"]({"analysis_id": key, "text": "fire"})["error"]
    foreign = workspace.store.save(replace(workspace.analysis(key), recipe_hash="0123456789abcdef"))
    error = handlers["compare"]({"analysis_id": foreign, "text": "fire"})["error"]
    assert "recipe 0123456789abcdef, and no model that reads them is loaded" in error


def test_the_page_takes_and_drops_truth(page):
    handlers, key, _ = page
    assert handlers["truth"]({"analysis_id": key}) == {"source": None, "segments": []}
    upload = str(uploaded("a.csv", b"clip,class,segments_s\ncorridor.mp4,riot,12-16\n"))
    answer = handlers["take_truth"]({"analysis_id": key, "upload": upload, "name": "gt.csv"})
    assert answer["segments"] == [{"start_s": 12, "end_s": 16, "label": "riot"}]
    assert answer["ap"] > 0.8 > 0.3 > answer["prevalence"]
    assert handlers["truth"]({"analysis_id": key}) == answer
    assert not Path(upload).exists()
    wrong = str(uploaded("b.csv", b"clip,class,segments_s\nyard.mp4,riot,12-16\n"))
    error = handlers["take_truth"]({"analysis_id": key, "upload": wrong, "name": "gt.csv"})["error"]
    assert "'corridor' is not among the clips of gt.csv" in error
    assert handlers["truth"]({"analysis_id": key}) == answer
    assert handlers["drop_truth"]({"analysis_id": key})["source"] is None
    assert "not uploaded here" in handlers["take_truth"]({"analysis_id": key, "upload": __file__, "name": "x"})["error"]
