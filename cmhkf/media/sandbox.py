"""The fence round untrusted files: a child process reads them, under limits, and only plain messages come back.

A video file can hang, crash or bloat the decoder. The child runs `python -m cmhkf.media.decode`, takes
one JSON job on its standard input and answers on its standard output with framed messages: JSON, or raw array bytes.
Whatever happens to it, the caller sees a MediaError at worst. Closing the iterator ends the child at once.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from cmhkf.errors import MediaError
from cmhkf.media import children

HEADER = struct.Struct("<cQ")  # kind, payload bytes
JSON, ARRAY = b"j", b"a"
BEAT = {"beat": True}  # what the child says while it works and has nothing to tell
REPAIR = "Try converting it first: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4"


@dataclass(frozen=True)
class MediaLimits:
    """What one pass over an untrusted file may cost. A small file can hold hours of large frames."""

    duration_s: float = 6 * 3600.0  # seconds of video
    frame_pixels: int = 36_000_000  # pixels of one stored frame; 8K has 33 million
    frames: int = 1_500_000  # decoded frames: six hours at 60 per second, with room
    memory_bytes: int = 4 * 2**30  # address space of the child (not enforced on Windows)
    # Processor seconds of the child; an hour of 1080p H.264 takes under ten minutes (not enforced on Windows)
    cpu_s: int = 3 * 3600
    stall_s: float = 60.0  # seconds the child may take for the next message


LIMITS = MediaLimits()


def run_job(job: dict[str, Any]) -> Iterator[dict[str, Any] | bytearray]:
    """Run one job in a child process and yield its messages: a dict for JSON, a bytearray for an array.

    Raises:
        MediaError: the child reported that the file cannot be read, stalled, crashed, or ran into a limit. The message
            lacks the file's name; the caller knows it.
    """
    command = [sys.executable, "-m", "cmhkf.media.decode", str(os.getpid())]
    root = Path(__file__).parents[2]
    process = children.start(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdin
        assert process.stdout
        try:
            with process.stdin as stdin:
                stdin.write(json.dumps(job | {"limits": asdict(LIMITS)}).encode())
        except BrokenPipeError:
            pass  # died at once: the missing answer tells
        while message := _read_message(process, process.stdout):
            if isinstance(message, dict) and "error" in message:
                raise MediaError(message["error"])
            if message == {"end": True}:
                return
            if message != BEAT:
                yield message
        raise MediaError(_crash_reason(process.wait()))
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _read_message(process: subprocess.Popen[bytes], stdout: IO[bytes]) -> dict[str, Any] | bytearray | None:
    """The next message; None when the child is gone."""
    with stall_guard(process, LIMITS.stall_s):
        header = stdout.read(HEADER.size)
        kind, size = HEADER.unpack(header) if len(header) == HEADER.size else (JSON, 0)
        payload = bytearray(size)
        complete = size and stdout.readinto(payload) == size  # type: ignore[attr-defined]
    if not complete:
        return None
    return json.loads(payload) if kind == JSON else payload


@contextmanager
def stall_guard(process: subprocess.Popen[bytes], stall_s: float) -> Iterator[None]:
    """Kill a child process that lets the block wait for longer than `stall_s`, and raise MediaError."""
    stalled = threading.Event()

    def give_up() -> None:
        stalled.set()
        children.kill(process)

    timer = threading.Timer(stall_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if stalled.is_set():
        raise MediaError(f"decoding made no progress for {stall_s:g} s and was stopped. {REPAIR}")


def _crash_reason(code: int) -> str:
    if code == -getattr(signal, "SIGXCPU", 0):
        return f"decoding took more than {LIMITS.cpu_s} processor seconds; cut the clip into shorter parts."
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the decoder crashed on it ({name}); the file is damaged or too much for this machine. {REPAIR}"
