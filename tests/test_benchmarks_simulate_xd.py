"""The simulation of XD-Violence: real lengths, segments and labels under features whose evidence is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulate_xd import (
    CARRIERS,
    Settings,
    Video,
    ar_noise,
    draw_carrier,
    draw_stream,
    read_videos,
    simulate,
    unit_rows,
)
from cmhkf.datasets.annotations import Event, xd_labels
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import DataError, RecipeMismatch
from cmhkf.features.folders import FeatureFolder

SETTINGS = Settings(dim=8, audio_dim=7)
RIOT, BOTH, NORMAL = "v=a__#1_label_B4-0-0", "Film.2003__#00-06_label_B2-G-0", "v=n__#1_label_A"
TRAIN = ("v=t__#1_label_B1-0-0", "v=u__#1_label_B5-B6-0", "v=w__#1_label_A")


def write_annotations(folder, *, train=TRAIN):
    folder.mkdir()
    files = {
        "train_videos.csv": "video,label\n" + "".join(f"{name},x\n" for name in train),
        "test_videos.csv": f"video,label,n_snippets\n{RIOT},B4,20\n{BOTH},B2-G,30\n{NORMAL},A,40\n",
        "annotations.txt": f"{RIOT} 0 100\n{BOTH} 160 320 320 480\n",
        "annotations_multiclasses.txt": f"{RIOT} B4 0 100\n{BOTH} B2 160 320 G 320 480\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    base = tmp_path_factory.mktemp("simulation")
    return base, dict(simulate(write_annotations(base / "annotations"), base / "features", SETTINGS))


def test_the_folder_is_read_as_a_data_set(simulated):
    base, carriers = simulated
    data = open_dataset("xd-violence", base / "features")
    assert ({entry.name for entry in data.train}, data.truth.names) == (set(TRAIN), (RIOT, BOTH, NORMAL))
    assert data.truth.n_snippets == (20, 30, 40)
    assert data.segments == [[(3, 0, 100)], [(2, 160, 320), (6, 320, 480)], [(0, 0, 640)]]
    assert (data.missing, data.absent) == ((), ())
    assert (data.folder.video_dim, data.folder.semantic_dim, data.folder.audio_dim) == (8, 8, 7)
    assert (set(carriers), carriers[NORMAL], carriers[TRAIN[2]]) == ({*TRAIN, RIOT, BOTH, NORMAL}, "none", "none")
    assert {carriers[name] for name in (RIOT, BOTH, *TRAIN[:2])} <= set(CARRIERS)
    assert "A simulation" in (base / "features" / "simulation.json").read_text()


def test_training_videos_borrow_lengths(simulated):
    folder = open_dataset("xd-violence", simulated[0] / "features").folder
    fight, two, normal = (folder.n_snippets(name) for name in TRAIN)
    assert fight in (20, 30)
    assert two == 30  # only one test video has two segments
    assert normal == 40


def test_training_videos_keep_their_classes(tmp_path):
    annotations = write_annotations(tmp_path / "a", train=[f"v={i}__#1_label_B5-B6-0" for i in range(20)])
    train, _ = read_videos(annotations, np.random.default_rng(0))
    for video in train:
        assert {event.class_idx for event in video.events} == set(xd_labels(video.name)) == {4, 5}
        assert [(event.start, event.end) for event in video.events] == [(160, 320), (320, 480)]
    assert len({video.events for video in train}) == 2  # either order


def test_the_same_seed_gives_the_same_rows_and_other_settings_another_folder(simulated, tmp_path):
    base, _ = simulated
    simulate(base / "annotations", tmp_path / "again", SETTINGS)
    for name in (RIOT, TRAIN[0]):
        ours, theirs = (FeatureFolder(path).load(name) for path in (base / "features", tmp_path / "again"))
        assert np.array_equal(ours.video, theirs.video)
        assert np.array_equal(ours.semantic, theirs.semantic)
        assert np.array_equal(ours.audio, theirs.audio)
    with pytest.raises(RecipeMismatch, match="simulated video"):
        simulate(base / "annotations", tmp_path / "again", replace(SETTINGS, seed=1))


def test_the_step_is_the_stated_signal_to_noise():
    """Inside minus outside, along every class, over many snippets: from the normal class to the segment's."""
    rng = np.random.default_rng(0)
    video = Video("x", 40_000, (Event(2, 160_000, 480_000),))
    directions = unit_rows(7, 8, rng)
    rows = draw_stream(video, directions, SETTINGS, rng, snr=3.0)
    inside, outside = rows[10_000:30_000], np.concatenate([rows[:10_000], rows[30_000:]])
    step = (inside.mean(axis=0) - outside.mean(axis=0)) @ directions.T
    np.testing.assert_allclose(step, 3.0 * (np.eye(7)[2] - np.eye(7)[0]), atol=0.1)
    np.testing.assert_allclose((inside @ directions.T).std(axis=0), 1.0, atol=0.05)


def test_jitter_shifts_a_segment_but_keeps_its_length():
    rng = np.random.default_rng(0)
    quiet = replace(SETTINGS, background=0.0)
    directions = unit_rows(7, 8, rng)
    starts = []
    for _ in range(200):
        video = Video("x", 100, (Event(1, 480, 640),))
        rows = draw_stream(video, directions, quiet, rng, snr=1000.0, jitter=3.0) @ directions[1]
        loud = np.flatnonzero(rows > 500)
        assert len(loud) == 10
        starts.append(loud[0] - 30)
    assert abs(np.mean(starts)) < 0.7
    assert 2.5 < np.std(starts) < 3.5


def test_a_segment_at_the_edge_keeps_a_snippet():
    video = Video("x", 5, (Event(1, 70, 80), Event(3, 0, 3)))
    directions = unit_rows(7, 8, np.random.default_rng(0))
    rows = draw_stream(video, directions, SETTINGS, np.random.default_rng(0), snr=1000.0)
    assert np.argwhere(rows @ directions.T > 500).tolist() == [[0, 3], [1, 0], [2, 0], [3, 0], [4, 1]]


def test_the_noise_is_correlated_and_stationary():
    noise = ar_noise((50_000, 3), 0.7, np.random.default_rng(0))
    np.testing.assert_allclose(noise.std(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose((noise[1:] * noise[:-1]).mean(axis=0), 0.7, atol=0.03)
    first = [ar_noise((1, 1), 0.9, np.random.default_rng(i))[0, 0] for i in range(2000)]
    assert abs(np.std(first) - 1) < 0.05


def test_shares_of_carriers():
    rng = np.random.default_rng(0)
    settings = replace(SETTINGS, sound_only=0.3, text_only=0.1)
    video = Video("x", 5, (Event(1, 0, 16),))
    drawn = [draw_carrier(video, settings, rng) for _ in range(5000)]
    shares = [drawn.count(name) / 5000 for name in ("all", "sound", "text")]
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.02)
    assert draw_carrier(video._replace(events=()), settings, rng) == "none"


def test_unusable_annotations_are_named(tmp_path):
    folder = write_annotations(tmp_path / "a")
    (folder / "test_videos.csv").write_text(f"video,label\n{RIOT},B4\n")
    with pytest.raises(DataError, match=r"KeyError\('n_snippets'\); needed are train_videos\.csv .* n_snippets"):
        simulate(folder, tmp_path / "out", SETTINGS)
    with pytest.raises(DataError, match="6 values cannot hold 7 different classes"):
        unit_rows(7, 6, np.random.default_rng(0))
