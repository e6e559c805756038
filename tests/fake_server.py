"""The real page over a made-up analyzer, with this folder and its parent in PYTHONPATH; CMHKF_FAKE_DELAY_S slows it."""

import os

from fakes import FakeAnalyzer

from app.main import main

if __name__ == "__main__":
    main(analyzer_factory=lambda model: FakeAnalyzer(delay_s=float(os.environ.get("CMHKF_FAKE_DELAY_S", "0.05"))))
