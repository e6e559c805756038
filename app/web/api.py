"""The public API, for scripts: /analyze, /segments, /export, /reel and /library."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from app.clips.workspace import Cut
from app.export.shots import ReelChoice
from app.web.answers import Json, analysis_json, entry_json, growing_json, segments_json
from app.web.calls import Arguments, explained
from app.web.page import Page
from app.web.uploads import uploaded_path
from cmhkf import Analysis, MediaError
from cmhkf.analysis import Growing
from cmhkf.media.unseen import as_public_rows

POLL_S = 0.1  # how often /analyze looks whether its job is done


class Api:
    """The public handlers."""

    def __init__(self, page: Page) -> None:
        self._page, self._workspace = page, page.workspace

    def analyze(self, video: str | None, model: str | None, threshold: float) -> Iterator[Any]:
        """Analyse a video (or find its earlier analysis) and flag segments; giving up on the answer stops the work.

        What is known so far comes before the answer, in the same shape, with `final` false.
        """
        job = None
        try:
            with explained():
                if not video:
                    raise MediaError("no video was given; pass one with gradio_client.handle_file(...)")
                clip, _ = self._page.uploads.take(video, Path(video).name)
                job = self._workspace.analyse(clip.sha256, model or "")
                told = None
                while not job.over:
                    so_far = job.so_far
                    yield gr.skip() if so_far is told else self._report_so_far(so_far, threshold)
                    told = so_far
                    time.sleep(POLL_S)
                yield self._report(job.wait(), threshold)
        finally:
            if job and not job.over:
                self._workspace.cancel(job.id)

    def _report(self, analysis_id: str, threshold: float) -> Json:
        analysis = self._workspace.analysis(analysis_id)
        return analysis_json(analysis_id, analysis) | _curve(analysis) | self._segments(analysis_id, threshold)

    def _report_so_far(self, growing: Growing | None, threshold: float) -> Any:
        if growing is None:  # the work has just ended
            return gr.skip()
        cut, analysis = _cut(threshold), growing.analysis
        found = segments_json(None, analysis, cut.threshold, cut.segments(analysis))
        return growing_json(growing) | _curve(analysis) | found

    def segments(self, analysis_id: str, threshold: float) -> Json:
        """Flag segments of an earlier analysis at a threshold."""
        with explained():
            return self._segments(analysis_id, threshold)

    def _segments(self, analysis_id: str, threshold: float) -> Json:
        cut, analysis = _cut(threshold), self._workspace.analysis(analysis_id)
        return segments_json(analysis_id, analysis, cut.threshold, cut.segments(analysis))

    def library(self) -> list[Json]:
        """List the analyses kept, and the clips not analysed yet."""
        with explained():
            return [
                entry_json(each.entry, each.under_way)
                | {"unseen_s": as_public_rows(each.glance.unseen_s) if each.glance else None}
                for each in self._page.library.listed()
            ]

    def export(self, analysis_id: str, form: str, threshold: float, reviewer: str) -> str:
        """Write an export, and give its file."""
        with explained():
            return str(self._page.exports.file(analysis_id, form, _cut(threshold), reviewer))

    def reel(
        self,
        analysis_id: str,
        which: str,
        titles: bool,
        context_s: float,
        most_s: float,
        spans: Any,
        threshold: float,
        reviewer: str,
    ) -> Iterator[Any]:
        """Write a reel of one analysis, or with an empty id of the library, or of [[clip, start_s, end_s], ...], and
        give its file; giving up on the answer stops the work."""
        job = None
        try:
            with explained():
                values = {"which": which, "titles": titles, "context_s": context_s, "most_s": most_s}
                choice = ReelChoice.read(values, spans or [])
                job = self._page.exports.begin_reel(choice, _cut(threshold), reviewer, analysis_id)
                while not job.over:
                    yield gr.skip()
                    time.sleep(POLL_S)
                yield str(job.wait())
        finally:
            if job and not job.over:
                self._workspace.cancel(job.id)

    def register(self) -> None:
        """Add the listeners to the page that is being built."""
        settings = self._workspace.settings
        # Else Gradio keeps a copy of each file that /export gives, where no removal finds it.
        gr.set_static_paths([self._workspace.store.exports_dir])
        api(self.library, api_name="library", concurrency_limit=4)
        api(self.segments, api_name="segments", concurrency_limit=4)
        video = gr.File(visible=False, label="video")
        video.preprocess = uploaded_path  # pyright: ignore[reportAttributeAccessIssue]
        model = gr.Textbox(settings.preset, visible=False, label="model")
        threshold = gr.Number(0.5, visible=False, label="threshold")
        answer = gr.JSON(visible=False, label="analysis")
        gr.Button(visible=False).click(
            self.analyze, [video, model, threshold], answer, api_name="analyze", concurrency_limit=1
        )
        texts = [gr.Textbox(visible=False, label=label) for label in ("analysis_id", "format")]
        threshold = gr.Number(0.5, visible=False, label="threshold")
        reviewer = gr.Textbox("", visible=False, label="reviewer")
        file = gr.File(visible=False, label="file")
        gr.Button(visible=False).click(
            self.export, [*texts, threshold, reviewer], file, api_name="export", concurrency_limit=2
        )
        usual = ReelChoice()
        wanted = [
            gr.Textbox("", visible=False, label="analysis_id"),
            gr.Textbox(usual.which, visible=False, label="which"),
            gr.Checkbox(usual.titles, visible=False, label="titles"),
            gr.Number(usual.context_s, visible=False, label="context_s"),
            gr.Number(usual.most_s, visible=False, label="most_s"),
            gr.JSON([], visible=False, label="spans"),
            gr.Number(0.5, visible=False, label="threshold"),
            gr.Textbox("", visible=False, label="reviewer"),
        ]
        reel = gr.File(visible=False, label="file")
        gr.Button(visible=False).click(self.reel, wanted, reel, api_name="reel", concurrency_limit=2)


def _curve(analysis: Analysis) -> Json:
    arrays = {"times_s": analysis.times_s.tolist(), "scores": analysis.scores.tolist()}
    return arrays | {"classes": list(analysis.classes)}


def _cut(threshold: float) -> Cut:
    return Cut(Arguments(threshold=threshold).number("threshold", most=1))
