"""What the page and scripts call, on the edge between Gradio and the desk: arguments in, JSON or a shown error out."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from app.desk import Desk
from cmhkf import CmhkfError, MediaError

POLL_S = 0.1  # how often /analyze looks whether its job is done

Json = dict[str, Any]
log = logging.getLogger(__name__)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors into `gr.Error`: one a user can act on as it is, any other logged and shown by a number."""
    try:
        yield
    except CmhkfError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        number = secrets.token_hex(4)
        log.exception("error %s", number)
        message = f"Something went wrong inside (id {number}); the server's log has the details."
        raise gr.Error(message, print_exception=False) from None


@contextmanager
def uploaded(name: str) -> Iterator[Path]:
    """A file that was uploaded here, and no other file of this machine; it is gone afterwards. Raises MediaError."""
    path = Path(name).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise MediaError("that file was not uploaded here; drop it on the page again")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


class Doors:
    """The public listeners."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def analyze(self, video: str | None, model: str | None, threshold: float) -> Iterator[Any]:
        """Analyse a video (or find its earlier analysis) and flag segments; giving up on the answer stops the work."""
        job = None
        try:
            with explained():
                if not video:
                    raise MediaError("no video was given; pass one with gradio_client.handle_file(...)")
                clip = self._desk.add(Path(video), Path(video).name, move=False)
                job = self._desk.analyse(clip.sha256, model or "")
                while not job.over:
                    yield gr.skip()
                    time.sleep(POLL_S)
                if job.state != "done":
                    raise CmhkfError(job.error or "the analysis was cancelled")
                yield self._desk.report(job.result, threshold)
        finally:
            if job and not job.over:
                self._desk.cancel(job.id)

    def segments(self, analysis_id: str, threshold: float) -> Json:
        """Flag segments of an earlier analysis at a threshold."""
        with explained():
            return self._desk.segments(analysis_id, threshold)

    def library(self) -> list[Json]:
        """List the analyses kept, and the clips not analysed yet."""
        with explained():
            return self._desk.library()


class PageAsks:
    """The functions that the page calls, each with one object of arguments."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        asks = (
            self.status, self.take_upload, self.take_example, self.analyse, self.job, self.cancel, self.show,
            self.copy,
        )  # fmt: skip
        return [guarded(ask) for ask in asks]

    def status(self, _: Json) -> Json:
        """The model's state and the examples."""
        return self._desk.status()

    def take_upload(self, ask: Json) -> Json:
        """{upload, name} -> {clip}: keep a file that was uploaded here, and no other file of this machine."""
        with uploaded(str(ask["upload"])) as path:
            return {"clip": self._desk.add(path, str(ask["name"]), move=True).sha256}

    def take_example(self, ask: Json) -> Json:
        """{name} -> {clip}."""
        return {"clip": self._desk.add_example(str(ask["name"])).sha256}

    def analyse(self, ask: Json) -> Json:
        """{clip} -> {analysis_id} when it was done before, else {job}."""
        clip = str(ask["clip"])
        known = self._desk.known(clip)
        return {"analysis_id": known} if known else {"job": self._desk.analyse(clip).id}

    def job(self, ask: Json) -> Json:
        """{job} -> how far it is."""
        return self._desk.job(str(ask["job"]))

    def cancel(self, ask: Json) -> Json:
        """{job} -> how far it came."""
        return self._desk.cancel(str(ask["job"]))

    def show(self, ask: Json) -> Json:
        """{clip} or {analysis_id} -> all the player needs."""
        return self._desk.open(clip=str(ask.get("clip", "")), analysis_id=str(ask.get("analysis_id", "")))

    def copy(self, ask: Json) -> Json:
        """{clip} -> its playback, a copy of it under way: the browser could not show the picture."""
        return self._desk.playback(self._desk.store.clip(str(ask["clip"])), copy=True)


def guarded(ask: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """The same function, its errors turned into an `error` that the page shows where the user looks."""

    def answer(data: Json) -> Json:
        try:
            with explained():
                return ask(data)
        except gr.Error as error:
            return {"error": error.message}

    answer.__name__ = ask.__name__
    return answer
