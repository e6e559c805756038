"""The real page over a made-up analyzer, with this folder and its parent in PYTHONPATH; CMHKF_FAKE_DELAY_S slows it,
CMHKF_FAKE_TRAINED=1 makes it trained, CMHKF_FAKE_GROWS tells its results as they grow, CMHKF_FAKE_MODEL names it."""

import os
from pathlib import Path

from fakes import FakeAnalyzer

from app.main import main

if __name__ == "__main__":
    delay_s = float(os.environ.get("CMHKF_FAKE_DELAY_S", "0.05"))
    trained = os.environ.get("CMHKF_FAKE_TRAINED") == "1"
    grows = Path(os.environ["CMHKF_FAKE_GROWS"]) if "CMHKF_FAKE_GROWS" in os.environ else None
    name = os.environ.get("CMHKF_FAKE_MODEL", "fake")
    main(analyzer_factory=lambda model: FakeAnalyzer(trained=trained, delay_s=delay_s, model_id=name, grows=grows))
