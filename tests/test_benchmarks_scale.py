"""The plan of an archive: sums by hand, and the same numbers in docs/scale.md."""

import sys
from pathlib import Path

import pytest

from benchmarks.scale import main

DOC = Path(__file__).parents[1] / "docs" / "scale.md"


@pytest.fixture
def planned(monkeypatch, capsys):
    """The lines that the command prints."""

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["scale.py", "--plan", *map(str, options)])
        main()
        return capsys.readouterr().out.splitlines()

    return run


def test_the_document_holds_the_plan_that_the_command_prints(planned):
    assert "\n".join(planned()) in DOC.read_text()


def test_the_sums_are_those_by_hand(planned):
    """1,000 hours at half of real time: 2,000 worker hours on nodes of 10, in 10 shards of 100 hours.

    At the end of a shard each of the 10 workers waits for half a video of 30 minutes, which takes half an hour; before
    it, it loads for 36 s: 51 hours. No node ends.
    """
    sizes = ["--analyses-mb", 2, "--tables-mb", 1, "--features-mb", 50, "--mbit", 8]
    archive = ["--hours", 1000, "--speed", 0.5, "--clip-minutes", 30, "--shard-hours", 100, "--loading-s", 36]
    cluster = ["--days", 10, "--node-workers", 10, "--node-life-hours", "inf", "--price", 0.1]
    rows = dict(line.strip("| ").split(" | ") for line in planned(*sizes, *archive, *cluster)[2:])
    assert rows["worker hours of analysis"] == "2,000"
    assert rows["worker hours of loading, and of waiting for a shard's last video"] == "51 (2.5%)"
    assert rows["worker hours lost with nodes that end"] == "0 (0.0%), in 0 ends"
    assert rows["workers for 10 days"] == "9, on 0.9 nodes"
    assert rows["cost"] == "205, 0.2051 for each hour of video"
    assert rows["shards, each with a folder"] == "10 of 200 videos"
    assert rows["video to read"] == "4 TB, 4 MB a second"
