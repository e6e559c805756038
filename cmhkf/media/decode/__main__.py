"""The child process: one JSON job in, framed messages out. Started by `cmhkf.sandbox`, which
gives its own process id as argument; of no use by hand."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, BinaryIO

import numpy as np

from cmhkf.errors import MediaError
from cmhkf.heap import return_blocks
from cmhkf.media.children import die_with
from cmhkf.media.sandbox import ARRAY, BEAT, HEADER, JSON, MediaLimits

# Messages that are made before the parent reads them, so that decoding goes on while it encodes. One of audio is large.
AHEAD, AUDIO_AHEAD = 16, 1
NICE = 10  # how far work in the background steps back


def main() -> None:
    """Read the job from standard input, do it under its limits, answer on what was standard output."""
    die_with(int(sys.argv[1]))
    job = json.load(sys.stdin)
    limits, device = MediaLimits(**job.pop("limits")), job.pop("device", "cpu")
    if job.pop("background", False) and hasattr(os, "nice"):  # not on Windows
        os.nice(NICE)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # nothing that a C library prints gets between the messages
        messages = Queue[tuple[bytes, bytes] | None](AUDIO_AHEAD if job["kind"] == "audio" else AHEAD)
        sender = Thread(target=_send_all, args=(messages, out))
        sender.start()

        def send(message: dict[str, Any] | np.ndarray) -> None:
            is_array = isinstance(message, np.ndarray)
            payload = message.tobytes() if is_array else json.dumps(message).encode()
            messages.put((ARRAY if is_array else JSON, payload))

        try:
            return_blocks(of_mib=4)  # a file's index is made twice, for the clock and after it
            _restrain(limits, device)
            _work(job, limits, device, send)
            send({"end": True})
        except MediaError as error:
            send({"error": str(error)})
        except MemoryError:
            send({"error": f"decoding needs more than {limits.memory_bytes / 2**30:.3g} GB of memory. Scale it down."})
        finally:
            messages.put(None)
            sender.join()


def _send_all(messages: Queue[tuple[bytes, bytes] | None], out: BinaryIO) -> None:
    try:
        while message := messages.get():
            kind, payload = message
            out.write(HEADER.pack(kind, len(payload)))
            out.write(payload)
            out.flush()
    except BrokenPipeError:
        os._exit(1)  # the parent has lost interest


def _restrain(limits: MediaLimits, device: str) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's stall timeout remains
        return
    # A GPU's driver reserves far more addresses than it uses memory: there only what can be written to counts.
    memory = resource.RLIMIT_AS if device == "cpu" else resource.RLIMIT_DATA
    for kind, value in ((memory, limits.memory_bytes), (resource.RLIMIT_CPU, limits.cpu_s)):
        hard = resource.getrlimit(kind)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (soft, hard))


def _work(
    job: dict[str, Any], limits: MediaLimits, device: str, send: Callable[[dict[str, Any] | np.ndarray], None]
) -> None:
    # Imported here: libav is mapped only after the limits hold.
    from cmhkf.media.decode import audio, clock, container, copying, description, frames, keys, writing

    kind, path, kept = job.pop("kind"), job.pop("path"), job.pop("clock_file", None)
    with container.opened(path) as source:
        read = clock.read_clock(source, limits, lambda: send(BEAT), kept and Path(kept))
    writers = {"mp4s": writing.mp4s, "copy": copying.copy, "stills": writing.stills, "count": writing.count}
    if kind in writers:
        for message in writers[kind](path, read, limits, **job):
            send(message)
        return
    with container.opened(path, accelerator=container.accelerator_for(path, device)) as source:
        if kind == "probe":
            send(description.describe(source, read, limits))
            return
        streams = {
            "frames": frames.stream,
            "audio": audio.stream,
            "keys": keys.stream,
            "times": description.frame_times,
        }
        for message in streams[kind](source, read, limits, **job):
            send(message)


if __name__ == "__main__":
    main()
