"""What the page may call: one table of handlers, each with one object of arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.clips.curves import curves_file, growing_curves
from app.clips.jobs import Job
from app.clips.names import named
from app.clips.previews import Previews
from app.clips.strips import Wanted, early_moment, peak_moment
from app.clips.truths import TruthStore
from app.clips.workspace import Workspace
from app.explain.explain import Explainer
from app.explain.maps import Maps
from app.explain.quality import quality_of
from app.export.exports import Exports
from app.export.marks_file import MarksFile, read_marks
from app.export.shots import ReelChoice
from app.library import Library
from app.review.blind import BlindLooks
from app.review.budget import budgeted
from app.review.looks import Judged
from app.review.marks import ReviewError
from app.review.reviews import Decision, Reviews, View
from app.review.rules import reviewer_name
from app.web import answers
from app.web.answers import Json, file_url, plain
from app.web.calls import Arguments, guarded
from app.web.event_calls import EventCalls, Events, keys_of
from app.web.faults import PageFaults
from app.web.uploads import Uploads, uploaded
from cmhkf import Analysis, CmhkfError, ConfigError
from cmhkf.analysis import Growing
from cmhkf.home import EXAMPLES
from cmhkf.media.clip import VIDEO_SUFFIXES, probe
from cmhkf.media.unseen import as_rows
from cmhkf.numbers import MOST, number, whole

GLANCE_S = 0.3  # seconds that one listing may spend on reading analyses it has not seen yet

# What a decision needs beside its action; others need the segment
NEEDS: dict[str, tuple[str, ...]] = {
    "add": ("start_s", "end_s"),
    "relabel": ("segment", "label"),
    "note": ("segment", "note"),
    "edges": ("segment", "start_s", "end_s"),
    "split": ("segment", "at_s"),
}


class Page:
    """Everything behind the page, put together once. Unless it says otherwise, a handler answers all that it did."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.uploads, self.truths = Uploads(workspace), TruthStore(workspace.store)
        self.reviews, self.previews = Reviews(workspace), Previews(workspace.store, workspace.scheduler)
        self.events, self.blind = Events(workspace, self.reviews), BlindLooks(workspace, self.reviews)
        self.library, self.exports = (
            Library(workspace, self.reviews, self.events.index),
            Exports(workspace, self.reviews),
        )
        self.explainer, self.maps, self.faults = Explainer(workspace), Maps(workspace), PageFaults()
        self._user = workspace.settings.auth[0] if workspace.settings.auth else ""

    def handlers(self) -> dict[str, Callable[[Json], Json]]:
        """All that the page may call, by name, guarded."""
        handlers: dict[str, Callable[[Arguments], Json]] = {
            "status": self.status,
            "take_upload": self.take_upload,
            "take_example": self.take_example,
            "analyse": self.analyse,
            "show": self.show,
            "growing": self.growing,
            "copy": self.copy,
            "library": self.list_clips,
            "analyse_all": lambda _: {"n": self.workspace.analyse_all()},
            "keyframes": self.keyframes,
            "move": self.move,
            "remove": self.remove,
            "previews": self.preview,
            "drop_previews": self.drop_previews,
            "who": lambda _: {"reviewer": self._user},  # empty where everybody gives a name
            "marks": lambda data: answers.review_json(self._view(data)),
            "decide": self.decide,
            "budget": self.budget,
            "undo": lambda data: answers.review_json(self.reviews.undo(self._view(data), *_request_of(data))),
            "redo": lambda data: answers.review_json(self.reviews.redo(self._view(data), *_request_of(data))),
            "footage": lambda data: self._clip(data.text("clip")),
            "look": self.look,
            "draw_look": self.draw_look,
            "answer_look": self.answer_look,
            "add_look": self.add_look,
            "watch": self.watch,
            "why": lambda data: answers.why_json(self.explainer.why(*_segment(data))),
            "neighbours": self.neighbours,
            "compare": lambda data: plain(self.explainer.compare(data.text("analysis_id"), data.text("text"))),
            "truth": self.truth,
            "take_truth": self.take_truth,
            "drop_truth": self.drop_truth,
            "map": self.map,
            "quality": self.quality,
            "export": self.export,
            "reel": self.reel,
            "export_labels": lambda data: _status(self.exports.begin_labels(data.cut)),
            "import_preview": lambda data: answers.marks_file_json(_marks_file(data), self._analysis(data)),
            "import_marks": self.import_marks,
            "page_fault": self.page_fault,
        } | EventCalls(self.events, self._reviewer, self.exports).handlers()
        handlers["job"] = lambda data: self._timed(self.workspace.scheduler.job(data.text("job")))
        for name in ("map_job", "export_job"):
            handlers[name] = lambda data: _status(self.workspace.scheduler.job(data.text("job")))
        for name in ("cancel", "map_cancel", "export_cancel"):
            handlers[name] = lambda data: _status(self.workspace.cancel(data.text("job")))
        return {name: guarded(name, handler) for name, handler in handlers.items()}

    # Clips -----------------------------------------------------------------------------------------------------------

    def status(self, _: Arguments) -> Json:
        """The model's state, what may be uploaded, and the examples."""
        settings, analyzer, warming = self.workspace.settings, self.workspace.analyzer, self.workspace.warming
        return {
            "preset": settings.preset,
            "model": "ready" if analyzer else warming.state if warming else "queued",
            "model_id": analyzer and analyzer.model_id,
            "trained": analyzer and analyzer.trained,
            "error": warming.error if warming and not analyzer else "",
            "max_upload_mb": settings.max_upload_mb,
            "video_suffixes": sorted(VIDEO_SUFFIXES),
            "examples": [{"name": path.name, "url": file_url(path)} for path in _examples()],
        }

    def take_upload(self, data: Arguments) -> Json:
        """{upload, name} -> {clip, known_as}: keep a file that was uploaded here, and no other file of this machine.

        `known_as` is the name under which the same bytes are in the library already, else null.
        """
        clip, known = self.uploads.take(data.text("upload"), data.text("name"))
        return {"clip": clip.sha256, "known_as": clip.name if known else None}

    def take_example(self, data: Arguments) -> Json:
        """{name} -> {clip}."""
        name, paths = data.text("name"), {path.name: path for path in _examples()}
        if name not in paths:
            raise ConfigError(f"there is no example {name!r}; there are {', '.join(paths)}")
        return {"clip": self.workspace.add(probe(paths[name]), name, move=False).sha256}

    def analyse(self, data: Arguments) -> Json:
        """{clip} -> {analysis_id} when it was done before, else {job}."""
        clip = data.text("clip")
        known = self.workspace.known(clip)
        return {"analysis_id": known} if known else {"job": self.workspace.analyse(clip).id}

    def show(self, data: Arguments) -> Json:
        """{clip} or {analysis_id} -> a clip with its newest analysis, or one analysis with its clip, and the work on
        it."""
        clip, key = str(data.get("clip", "")), str(data.get("analysis_id", ""))
        workspace, store = self.workspace, self.workspace.store
        job = None if key else workspace.analyses.find(clip)
        if not key and (job is None or job.over):
            key = store.latest(clip) or ""
        shown = None
        if key:
            analysis = workspace.analysis(key)
            clip = analysis.clip.sha256
            with workspace.present(clip):
                shown = answers.analysis_json(key, analysis) | {
                    "curves_url": file_url(curves_file(analysis, key, store)),
                    "unseen_s": as_rows(analysis.unseen_s),
                }
        return {"clip": self._clip(clip), "analysis": shown, "job": plain(job.status) if job and not shown else None}

    def growing(self, data: Arguments) -> Json:
        """{job} -> {curves, facts}: what is known so far of a clip that is being analysed; null once it is over."""
        so_far = self.workspace.scheduler.job(data.text("job")).so_far
        if not isinstance(so_far, Growing):
            return {"curves": None, "facts": None}
        return {"curves": growing_curves(so_far), "facts": answers.growing_json(so_far)}

    def copy(self, data: Arguments) -> Json:
        """{clip} -> the clip, a copy of it under way: the browser could not show the frames."""
        return self._clip(data.text("clip"), copy=True)

    def list_clips(self, data: Arguments) -> Json:
        """{reviewer} -> every clip, its work, what was found in it and this reviewer's review; how long clips are kept.

        `queue` are the analyses under way, in their order. `complete` is false while some clips were not looked
        into yet.
        """
        reviewer = self._reviewer(data) if self._user or data.get("reviewer") else ""
        listed, under_way = self.library.listed(GLANCE_S, reviewer), self.workspace.under_way()
        left_s = {job.id: seconds for job, seconds in under_way}
        return {
            "library": [answers.listed_json(each, left_s) for each in listed],
            "queue": [
                {"job": job.id, "clip": clip, "running": job.state == "running", "left_s": seconds}
                for job, seconds in under_way
                for clip in job.clips
            ],
            "keep_days": self.workspace.settings.keep_days,
            "complete": all(each.glance or not each.entry.analysis_id for each in listed),
        }

    def keyframes(self, data: Arguments) -> Json:
        """{analyses, clips} -> for each of these ids a strip of one frame, as `event_strips` answers: the highest score
        of an analysis, or an early moment of a clip."""
        store, wanted, lost = self.workspace.store, dict[str, Wanted](), Json()
        for name, moment in (
            ("analyses", lambda key: peak_moment(self.workspace.curve(key))),
            ("clips", lambda sha256: early_moment(store.clip(sha256))),
        ):
            for key in keys_of(data, name):
                try:
                    wanted[key] = moment(key)
                except CmhkfError as error:
                    lost[key] = {"error": str(error)}
        return answers.strips_json(self.events.strips, wanted) | lost

    def move(self, data: Arguments) -> Json:
        """{job, before} -> {}: do a waiting analysis before another; an empty `before`: after all."""
        self.workspace.move(data.text("job"), data.text("before"))
        return {}

    def _timed(self, job: Job) -> Json:
        left_s = {each.id: seconds for each, seconds in self.workspace.under_way()}
        return _status(job) | {"left_s": left_s.get(job.id)}

    def remove(self, data: Arguments) -> Json:
        """{clip, decisions} -> {removed}."""
        self.library.remove(data.text("clip"), decisions=bool(data.get("decisions")))
        return {"removed": data["clip"]}

    def preview(self, data: Arguments) -> Json:
        """{clip} -> {sound, film}: how far each is, and where it lies."""
        waveform, film = self.previews.of(data.text("clip"))
        return {"sound": answers.preview_json(waveform), "film": answers.preview_json(film)}

    def drop_previews(self, data: Arguments) -> Json:
        """{clip} -> {}: the clip is no longer on screen."""
        self.previews.stop(data.text("clip"))
        return {}

    def _clip(self, sha256: str, *, copy: bool = False) -> Json:
        clip = self.workspace.store.clip(sha256)
        return answers.clip_json(clip, self.workspace.playback.open(clip, copy=copy))

    def _analysis(self, data: Arguments) -> Analysis:
        return self.workspace.analysis(data.text("analysis_id"))

    # Reviews ---------------------------------------------------------------------------------------------------------

    def _view(self, data: Arguments) -> View:
        """{clip, reviewer, analysis_id, threshold, min_length_s, merge_gap_s} -> what is on that reviewer's screen."""
        key, clip = data.text("analysis_id"), self.workspace.store.clip(data.text("clip"))
        if self.workspace.curve(key).clip.sha256 != clip.sha256:
            raise ReviewError(f"analysis {key!r} is of another clip; open the clip from the library again")
        return self.reviews.view(key, data.cut, self._reviewer(data))

    def _reviewer(self, data: Arguments) -> str:
        return self._user or reviewer_name(data["reviewer"])

    def decide(self, data: Arguments) -> Json:
        """What `marks` takes with {action, revision, request} and what NEEDS says -> what `marks` answers."""
        view, action = self._view(data), data["action"]
        needed = {name: data[name] for name in NEEDS.get(action, ("segment",))}
        values: dict[str, Any] = {
            # What lies outside the clip has a sentence of its own.
            name: number(value, name, least=-MOST, error=ReviewError) if name.endswith("_s") else str(value)
            for name, value in needed.items()
        }
        return answers.review_json(self.reviews.decide(view, Decision(action, **values), *_request_of(data)))

    def watch(self, data: Arguments) -> Json:
        """What `marks` takes with {on, revision, request} -> what it answers: all of a clip without segments was
        watched."""
        return answers.review_json(self.reviews.watch(self._view(data), *_request_of(data), on=bool(data["on"])))

    def budget(self, data: Arguments) -> Json:
        """What `marks` takes with {per_hour} -> {threshold, said}: at most so many alarms an hour of normal footage."""
        view, settings = self._view(data), self.workspace.settings
        camera = named(view.analysis.clip.name).camera
        alike = self.workspace.store.alike(view.analysis) if camera else {}
        of_camera = [
            self.reviews.view(key, view.cut, view.reviewer)
            for key, clip in alike.items()
            if key != view.analysis_id and named(clip.name).camera == camera
        ]
        return plain(budgeted(view, of_camera, settings.preset, data.number("per_hour")))

    # Blind looks at what was not flagged; an empty {analysis_id} is for all clips ------------------------------------

    def look(self, data: Arguments) -> Json:
        """{reviewer, analysis_id, threshold, min_length_s, merge_gap_s} -> the reviewer's newest look; {look: null}."""
        clip = self._analysis(data).clip.sha256 if data["analysis_id"] else ""
        newest = next(self.blind.all(self._reviewer(data), clip), None)
        return self._judged(newest, data) if newest else {"look": None}

    def draw_look(self, data: Arguments) -> Json:
        """The same with {n, window_s} -> a new look."""
        n, window_s = whole(data["n"], "n", error=ReviewError), data.number("window_s")
        return self._judged(
            self.blind.draw(self._reviewer(data), data.cut, data.text("analysis_id"), n=n, window_s=window_s), data
        )

    def answer_look(self, data: Arguments) -> Json:
        """The same with {look, place, answer, label, revision, request} -> the look after it; undo needs no place."""
        judged, (revision, request) = self._look(data), _request_of(data)
        answer, label = data.text("answer"), data.text("label")
        place = 0 if answer == "undo" else whole(data["place"], "place", error=ReviewError)
        return self._judged(
            self.blind.answer(judged, place, answer, label=label, revision=revision, request=request), data
        )

    def add_look(self, data: Arguments) -> Json:
        """The same with {look, place} -> the look; the window is a segment added by hand."""
        return self._judged(self.blind.add(self._look(data), whole(data["place"], "place", error=ReviewError)), data)

    def _look(self, data: Arguments) -> Judged:
        return self.blind.find(data.text("look"), self._reviewer(data))

    def _judged(self, judged: Judged, data: Arguments) -> Json:
        shown = self._analysis(data) if data["analysis_id"] else self.workspace.analyzer
        other = judged.other_terms(data.cut, shown.model_id if shown else judged.look.model_id)
        facts = self.blind.added(judged), self.blind.here(judged), other, self.blind.classes(judged)
        return answers.look_json(judged, *facts)

    # Why, ground truth and maps --------------------------------------------------------------------------------------

    def neighbours(self, data: Arguments) -> Json:
        """{analysis_id, start_s, end_s} -> the snippets of the library that look most like the segment's peak."""
        return answers.neighbours_json(self.explainer.neighbours(*_segment(data)), self.workspace.playback)

    def truth(self, data: Arguments) -> Json:
        """{analysis_id} -> the ground truth kept of its clip, and how the score fits it."""
        analysis = self._analysis(data)
        return answers.truth_json(analysis, self.truths.kept(analysis.clip.sha256))

    def take_truth(self, data: Arguments) -> Json:
        """{analysis_id, upload, name} -> the ground truth of its clip in that file, kept from now on."""
        analysis = self._analysis(data)
        with uploaded(data.text("upload")) as file, self.workspace.present(analysis.clip.sha256):
            return answers.truth_json(analysis, self.truths.take(file, data.text("name"), analysis))

    def drop_truth(self, data: Arguments) -> Json:
        """{analysis_id} -> nothing kept of its clip any more."""
        analysis = self._analysis(data)
        self.truths.drop(analysis.clip.sha256)
        return answers.truth_json(analysis, None)

    def map(self, data: Arguments) -> Json:
        """{analysis_id, method, scope} -> {url} of a finished map's file, or {job} under way."""
        found = self.maps.open(data.text("analysis_id"), data.text("method"), data.text("scope"))
        return {"job": found.id} if isinstance(found, Job) else {"url": file_url(found)}

    def quality(self, data: Arguments) -> Json:
        """{model_id} of an analysis -> what was measured of its model, or why nothing was."""
        return plain(quality_of(self.workspace.settings.preset, data.text("model_id")))

    # Exports ---------------------------------------------------------------------------------------------------------

    def export(self, data: Arguments) -> Json:
        """{analysis_id, threshold, min_length_s, merge_gap_s, reviewer, kinds, with_dismissed} -> a job.

        Its result is the file's address. With a reel among the kinds also what `reel` takes."""
        reviewed = self.exports.reviewed(
            data.text("analysis_id"), data.cut, data.text("reviewer"), with_dismissed=bool(data["with_dismissed"])
        )
        kinds = [str(kind) for kind in data["kinds"]]
        return _status(self.exports.begin(reviewed, kinds, _reel_choice(data) if "reel" in kinds else None))

    def reel(self, data: Arguments) -> Json:
        """{threshold, min_length_s, merge_gap_s, reviewer, which, titles, context_s, most_s} and, of what was selected,
        {clips, starts_s, ends_s}, lists of one length -> a job, likewise: a reel of the library or the selection."""
        return _status(self.exports.begin_reel(_reel_choice(data), data.cut, data.text("reviewer")))

    def import_marks(self, data: Arguments) -> Json:
        """{analysis_id, reviewer, threshold, min_length_s, merge_gap_s, name, text} -> {n, looks}: how many marks, and
        blind looks, were new or changed."""
        found, reviewer, key = _marks_file(data), self._reviewer(data), data.text("analysis_id")
        n = self.exports.import_marks(key, data.cut, reviewer, found)
        return {"n": n, "looks": self.exports.import_looks(key, reviewer, found)}

    def page_fault(self, data: Arguments) -> Json:
        """{text} -> {}."""
        self.faults.write(data.text("text"))
        return {}


def _status(job: Job) -> Json:
    return plain(job.status)


def _request_of(data: Arguments) -> tuple[int, str]:
    return whole(data["revision"], "revision", error=ReviewError), data.text("request")


def _segment(data: Arguments) -> tuple[str, float, float]:
    return data.text("analysis_id"), data.number("start_s"), data.number("end_s")


def _reel_choice(data: Arguments) -> ReelChoice:
    lists = [data.get(name, []) for name in ("clips", "starts_s", "ends_s")]
    if not all(isinstance(each, list) for each in lists) or len({len(each) for each in lists}) != 1:
        raise ConfigError("clips, starts_s and ends_s must be lists of one length; reload the page, which sends them")
    return ReelChoice.read(data, list(zip(*lists, strict=True)))


def _marks_file(data: Arguments) -> MarksFile:
    return read_marks(data.text("name"), data.text("text").encode("utf-8", errors="replace"))


def _examples() -> list[Path]:
    return sorted(EXAMPLES.glob("*.mp4"))
