"""Settings from flags and environment: what wins, what is refused, and that it costs no slow import."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.main import check_port
from app.settings import Settings, parse_settings
from cmhkf.config import PRESETS
from cmhkf.errors import ConfigError

ROOT = Path(__file__).parents[1]


def test_defaults(tmp_path):
    settings = parse_settings(["--home", str(tmp_path)], {})
    assert (settings.host, settings.port, settings.preset) == ("127.0.0.1", 7860, "demo")
    assert settings.auth is None
    assert settings.store_url == f"sqlite:///{tmp_path / 'review.sqlite3'}"


def test_environment_then_flags(tmp_path):
    environ = {
        "CMHKF_PORT": "7001", "CMHKF_HOST": "0.0.0.0", "CMHKF_PRESET": "zero-shot", "CMHKF_MAX_UPLOAD": "10",
        "CMHKF_DATABASE_URL": "sqlite://", "CMHKF_AUTH": "ann:secret", "CMHKF_ROOT_PATH": "/review",
    }  # fmt: skip
    settings = parse_settings(["--port", "7002", "--home", str(tmp_path)], environ)
    assert settings == Settings(
        host="0.0.0.0", port=7002, preset="zero-shot", home=tmp_path, database_url="sqlite://", max_upload_mb=10,
        root_path="/review", auth=("ann", "secret"),
    )  # fmt: skip


def test_a_checkpoint_file_is_a_preset(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.touch()
    assert parse_settings(["--preset", str(file)], {}).preset == str(file)


@pytest.mark.parametrize(
    ("argv", "environ", "words"),
    [
        (["--port", "0"], {}, ["0", "between 1 and 65535"]),
        (["--port", "eighty"], {}, ["'eighty'", "whole number"]),
        ([], {"CMHKF_PORT": "70000"}, ["70000"]),
        (["--preset", "demmo"], {}, ["'demmo'", *PRESETS]),
        (["--max-upload", "0"], {}, ["0 MB"]),
        ([], {"CMHKF_AUTH": "ann"}, ["user:password"]),
        (["--home", __file__], {}, ["is a file", "--home"]),
    ],
)
def test_a_bad_value_ends_the_program_with_its_name(argv, environ, words, capsys):
    with pytest.raises(SystemExit) as end:
        parse_settings(argv, environ)
    assert end.value.code == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port} .*--port"):
            check_port(Settings(port=port))


def run(*argv):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CMHKF_")}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "app.py", *argv],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    return done, imported


def test_help_and_refusals_come_before_slow_imports():
    done, imported = run("--help")
    assert done.returncode == 0
    assert "--preset" in done.stdout
    assert not imported & {"gradio", "torch", "plotly", "sqlalchemy"}
    done, imported = run("--preset", "demmo")
    assert done.returncode == 2
    assert "'demmo'" in done.stderr
    assert not imported & {"gradio", "torch"}
