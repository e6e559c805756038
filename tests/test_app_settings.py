"""Settings from flags and environment: what wins, what is refused, and that it costs no slow import."""

import os
import socket
from pathlib import Path

import pytest
from processes import ran

from app.main import check_port
from app.settings import Settings, parse_settings
from cmhkf.errors import ConfigError
from cmhkf.presets import PRESETS

ROOT = Path(__file__).parents[1]


def test_defaults(tmp_path):
    settings = parse_settings(["--home", str(tmp_path)], {})
    assert (settings.host, settings.port, settings.preset) == ("127.0.0.1", 7860, "demo")
    assert settings.auth is None
    assert settings.store_url == f"sqlite:///{tmp_path / 'review.sqlite3'}"


def test_environment_then_flags(tmp_path):
    words = "PORT=7001 HOST=0.0.0.0 PRESET=zero-shot MAX_UPLOAD=10 DATABASE_URL=sqlite:// AUTH=ann:secret ROOT_PATH=/x"
    words += " CACHE_GB=1.5"
    environ = {f"CMHKF_{name}": value for name, value in (word.split("=") for word in words.split())}
    settings = parse_settings(["--port", "7002", "--home", str(tmp_path)], environ)
    wanted = {"host": "0.0.0.0", "port": 7002, "preset": "zero-shot", "home": tmp_path, "auth": ("ann", "secret")}
    assert settings == Settings(**wanted, database_url="sqlite://", max_upload_mb=10, root_path="/x", cache_gb=1.5)


def test_a_space_is_known_by_its_own_name_and_shown_by_its_hub():
    settings = parse_settings([], {"SPACE_ID": "someone/review", "SPACE_HOST": "someone-review.hf.space"})
    assert settings.allowed_hosts == ("someone-review.hf.space",)
    assert settings.frame_ancestors == ("https://huggingface.co",)
    settings = parse_settings([], {"CMHKF_ALLOWED_HOSTS": "a.example, b.example:81", "SPACE_HOST": "c.hf.space"})
    assert (settings.allowed_hosts, settings.frame_ancestors) == (("a.example", "b.example:81"), ())


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
        ([], {"CMHKF_CACHE_GB": "lots"}, ["cache gb", "'lots'"]),
        ([], {"CMHKF_AUTH": "ann"}, ["user:password"]),
        (["--home", __file__], {}, ["is a file", "--home"]),
        (["--allowed-hosts", "ok.example, https://bad.example/"], {}, ["'https://bad.example/'", "review.example"]),
        ([], {"CMHKF_FRAME_ANCESTORS": "https://a.example;script-src"}, ["no origin", "https://huggingface.co"]),
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


def test_only_warnings_are_logged_of_what_draws_figures(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so it ends as soon as logging is set up
        flags = ["--home", str(tmp_path), "--port", str(taken.getsockname()[1])]
        started = f"try: main({flags})\nexcept SystemExit: logging.getLogger('fontTools.subset').info('glyphs')"
        done = ran("-c", f"import logging\nfrom app.main import main\n{started}")
    assert "--port" in done.stderr
    assert "glyphs" not in done.stderr


def run(*argv):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CMHKF_")}
    done = ran("-X", "importtime", "app.py", *argv, env=environ)
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
