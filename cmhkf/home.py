"""Where this machine keeps what the tool writes: database, clips, analyses, cached features, checkpoints."""

import os
from pathlib import Path

from platformdirs import user_data_path


def data_home() -> Path:
    """`CMHKF_HOME`, or the platform's folder for user data. Not created here."""
    return Path(os.environ.get("CMHKF_HOME") or user_data_path("cmhkf", appauthor=False)).expanduser()
