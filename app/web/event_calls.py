"""What the page may call about the events of the whole library."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.clips.strips import Strips, Wanted
from app.clips.workspace import Workspace
from app.export.exports import Exports
from app.export.shots import ReelChoice
from app.review.bulk import Bulk, Outcome
from app.review.event_list import Event, EventList, Wish
from app.review.events import EventIndex, Ready
from app.review.log import now_iso
from app.review.reviewers import Choices
from app.review.reviews import Decision, Reviews
from app.web.answers import Json, file_url, plain, strips_json
from app.web.calls import Arguments
from cmhkf.errors import ConfigError
from cmhkf.numbers import whole

READY_S = 0.15  # seconds that one call may spend on what is outdated
AT_ONCE = 500  # events of one question to the tables
TOLD_BACK = 200  # changed events that an answer holds; of more the page asks anew
WORDS = ("sort", "state", "label", "camera", "since", "until", "by", "words", "misses", "clip")


class Events:
    """The events behind the page, put together once."""

    def __init__(self, workspace: Workspace, reviews: Reviews) -> None:
        self.workspace, self.reviews = workspace, reviews
        self.index, self.list = EventIndex(workspace, reviews), EventList(workspace.store)
        self.bulk, self.strips = Bulk(reviews), Strips(workspace.store, workspace.scheduler)


class EventCalls:
    """The handlers. Each that lists or counts says how far the library is looked into, for it may take a while."""

    def __init__(self, events: Events, reviewer: Callable[[Arguments], str], exports: Exports) -> None:
        self._events, self._reviewer, self._exports = events, reviewer, exports

    def handlers(self) -> dict[str, Callable[[Arguments], Json]]:
        """By name."""
        return {
            "list_events": self.page,
            "event_strips": self.strips,
            "event_choices": self.event_choices,
            "decide_events": self.decide,
            "export_events": self.export,
            "reel_events": self.reel,
            "undo_events": lambda data: self._stepped(data, self._events.bulk.undo),
            "redo_events": lambda data: self._stepped(data, self._events.bulk.redo),
            "left": lambda data: self._counted(self._ready(data)),
            "next_clip": self.next_clip,
            "choices": lambda data: _choices(self._events.reviews.reviewers.of(self._reviewer(data))),
            "choose": self.choose,
            "keep_filter": self.keep_filter,
            "drop_filter": self.drop_filter,
        }

    def page(self, data: Arguments) -> Json:
        """{reviewer, offset, limit, as_of, at?} and a Wish -> {events, offset, total, as_of} and what `left` answers.

        `as_of` is empty for a list that is opened anew, and comes back for the pages after. With `at`, the key of an
        event, the page is the one that holds it, and `index` is its place.
        """
        wish, view = _wish(data), self._ready(data)
        as_of = data.text("as_of") or now_iso()
        offset, limit = (
            whole(data["offset"], "offset", error=ConfigError),
            whole(data["limit"], "limit", error=ConfigError),
        )
        index = self._events.list.index(view, wish, as_of, data.text("at")) if data.get("at") else None
        if index is not None:
            offset = index - index % limit
        found = self._events.list.page(view, wish, as_of, offset=offset, limit=limit)
        told = {"offset": offset, "total": self._events.list.count(view, wish, as_of), "as_of": as_of, "index": index}
        return told | {"events": plain(found)} | self._counted(view)

    def event_choices(self, data: Arguments) -> Json:
        """{reviewer} -> labels, cameras and reviewers, each with a number of events, and the newest model's classes."""
        view = self._ready(data)
        newest = self._events.index.newest(view)
        classes = list(self._events.workspace.curve(newest).classes) if newest else []
        return plain(self._events.list.choices(view)) | {"classes": classes}

    def export(self, data: Arguments) -> Json:
        """What `decide` takes of events -> {url, n} of a table of them."""
        found = self._chosen(data)
        found.sort(key=lambda event: (event.name, event.clip, event.start_s))
        file = self._exports.table(found, self._reviewer(data))
        return {"url": file_url(file), "n": len(found)}

    def reel(self, data: Arguments) -> Json:
        """The same with {titles, context_s, most_s} -> a job, whose result is the address of a reel of exactly these
        events, in order of time."""
        found = self._chosen(data)
        found.sort(key=lambda event: (event.at, event.name, event.clip, event.start_s))
        spans = [(event.clip, event.start_s, event.end_s) for event in found]
        choice, reviewer = ReelChoice.read(data | {"which": "selected"}, spans), self._reviewer(data)
        return plain(self._exports.begin_reel(choice, self._ready(data, 0.0).cut, reviewer).status)

    def _chosen(self, data: Arguments) -> list[Event]:
        """The events that a call is about, in no order."""
        keys, view = self._named(data), self._ready(data, 0.0)
        parts = [keys[i : i + AT_ONCE] for i in range(0, len(keys), AT_ONCE)]
        return [event for part in parts for event in self._events.list.named(view, part)]

    def _named(self, data: Arguments) -> list[str]:
        """The keys of the events that a call is about."""
        if "events" in data:
            return keys_of(data)
        found = self._events.list.keys(self._ready(data), _wish(data), data.text("as_of"))
        return sorted(set(found) - set(keys_of(data, "except")))

    def strips(self, data: Arguments) -> Json:
        """{reviewer, events: keys} -> for each key the address of its strip, empty while it is made, or why there is
        none."""
        found = self._events.list.named(self._ready(data, 0.0), keys_of(data))
        wanted = {each.key: Wanted(each.clip, each.start_s, each.end_s, each.peak_s) for each in found}
        return strips_json(self._events.strips, wanted)

    def decide(self, data: Arguments) -> Json:
        """{reviewer, action, request, events: keys, label?, note?} -> what came of it. Without `events`, of the whole
        list that a Wish and `as_of` say, `except` of it left out."""
        view, reviewer = self._ready(data), self._reviewer(data)
        keys = self._named(data)
        decision = Decision(data["action"], label=str(data.get("label", "")), note=str(data.get("note", "")))
        return self._came(data, self._events.bulk.decide(reviewer, view.cut, keys, decision, data.text("request")))

    def next_clip(self, data: Arguments) -> Json:
        """{reviewer, clip, back} -> the analysis of the next clip with something left, or null."""
        view = self._ready(data)
        key = self._events.list.next_clip(view, data.text("clip"), back=bool(data["back"]))
        return {"analysis_id": key} | self._counted(view)

    def choose(self, data: Arguments) -> Json:
        """{reviewer} with {threshold, min_length_s, merge_gap_s} or {blind} -> his choices."""
        cut = data.cut if "threshold" in data else None
        blind = bool(data["blind"]) if "blind" in data else None
        return _choices(self._events.reviews.reviewers.choose(self._reviewer(data), cut=cut, blind=blind))

    def keep_filter(self, data: Arguments) -> Json:
        """{reviewer, name, query} -> his choices."""
        return _choices(
            self._events.reviews.reviewers.keep_filter(self._reviewer(data), data.text("name"), data.text("query"))
        )

    def drop_filter(self, data: Arguments) -> Json:
        """{reviewer, name} -> his choices."""
        return _choices(self._events.reviews.reviewers.drop_filter(self._reviewer(data), data.text("name")))

    def _ready(self, data: Arguments, budget_s: float = READY_S) -> Ready:
        return self._events.index.ready(self._reviewer(data), budget_s)

    def _counted(self, view: Ready) -> Json:
        told = {"complete": view.complete, "n_done": view.n_done, "n_clips_all": view.n_clips}
        return told | {"left": plain(self._events.list.left(view))}

    def _stepped(self, data: Arguments, step: Callable[[str, Any, str], Outcome]) -> Json:
        reviewer = self._reviewer(data)
        cut = self._events.reviews.reviewers.of(reviewer).cut
        return self._came(data, step(reviewer, cut, data.text("request")))

    def _came(self, data: Arguments, outcome: Outcome) -> Json:
        few = len(outcome.changed) <= TOLD_BACK
        told_back = {key.partition("/")[0] for key in outcome.changed} if few else set[str]()
        view = self._events.index.ready(self._reviewer(data), READY_S, told_back)
        now = list[Event](self._events.list.named(view, outcome.changed)) if few else []
        told = {"action": outcome.action, "n": len(outcome.changed), "n_clips": outcome.n_clips}
        told |= {"left_out": len(outcome.left_out), "reason": outcome.left_out[0][1] if outcome.left_out else ""}
        return told | {"changed": list(outcome.changed[:TOLD_BACK]), "events": plain(now)} | self._counted(view)


def _choices(choices: Choices) -> Json:
    return {"cut": plain(choices.cut), "blind": choices.blind, "filters": [list(each) for each in choices.filters]}


def keys_of(data: Arguments, name: str = "events") -> list[str]:
    """The keys that an argument lists; none where it is missing."""
    return [str(key) for key in data.get(name, [])]


def _wish(data: Arguments) -> Wish:
    """What a list is to hold: each name with `ev_` before it, as in the page's address.

    Beside it may stand what is done with those events, as a new `label`. Raises ReviewError, ConfigError.
    """
    words: dict[str, Any] = {name: str(data[f"ev_{name}"]) for name in WORDS if data.get(f"ev_{name}")}
    return replace(Wish(**words), least=data.number("ev_least", most=1) if data.get("ev_least") else 0.0)
