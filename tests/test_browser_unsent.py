"""Decisions on a clip that the server does not take at once, in Chromium: none that was pressed is lost."""

import sqlite3

import pytest
from browser import Held, keep, on_call, only_lost_requests, press, states, wait_ack
from busy_clip import busy, busy_address  # noqa: F401
from fakes import FakeAnalyzer, made_up, make_video

FAINT = ((1, 0.5, 0.2, 0.1),)  # no segment

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def saved(server, reviewer, table="decisions", column="action"):
    with sqlite3.connect(server.home / "review.sqlite3") as file:
        rows = file.execute(f"select {column} from {table} where reviewer = ? order by rowid", (reviewer,))
        return [value for (value,) in rows]


def lose(page, name, answers):
    """Of the next requests by that name, lose the request (False) or its answer (True)."""

    def spoil(call):
        if not answers:
            return call.fallback()
        if answers.pop(0):
            call.fetch()
        return call.abort()

    on_call(page, name, spoil)


def test_keys_behind_a_lost_request_mean_what_they_meant(at, server):
    page = at("lost")
    lose(page, "decide", [False, True])
    press(page, "n", "c", "x", "c")
    wait_ack(page, "not saved yet")
    wait_ack(page, "revision 3")
    assert saved(server, "lost") == ["confirm", "dismiss", "confirm"]
    assert states(page) == ["confirmed", "dismissed", "confirmed", "open", "open", "open"]
    lose(page, "undo", [True])
    press(page, "u", "u")
    wait_ack(page, "revision 5")
    assert states(page) == ["confirmed", "open", "open", "open", "open", "open"]
    only_lost_requests(page)


def test_a_clip_is_left_only_when_what_was_pressed_on_it_is_saved(at, server):
    page = at("leaving")
    held = Held(page, "decide")
    press(page, "n", "c", "c", "c")
    page.click(".rv-brand")
    page.wait_for_timeout(500)
    held.release()
    page.wait_for_selector(".rv[data-view=home]")
    assert saved(server, "leaving") == ["confirm"] * 3


def test_one_that_is_refused_says_what_was_not_carried_out(at, server):
    page = at("refused")
    press(page, "n")
    held = Held(page, "decide")
    press(page, "c", "c", "m")
    page.keyboard.type("seen")
    press(page, "Enter")
    held.refuse_first()
    wait_ack(page, "Noted on 1 of 6")
    assert saved(server, "refused") == ["note"]  # hangs on nothing before it
    held = Held(page, "decide")
    press(page, "c", "c", "c")
    held.refuse_first()
    wait_ack(page, "That was refused. 2 commands behind it not carried out")
    assert saved(server, "refused") == ["note"]


def test_one_that_is_refused_while_its_clip_is_left_names_it_until_that_is_left_too(at, server, tmp_path):
    other = keep(server, make_video(tmp_path / "other.mp4", seconds=4), lambda c: made_up(c, FakeAnalyzer(), FAINT))[0]
    page = at("goer")
    row = ".rv-shelf li:has-text('{}') .rv-entry"
    held = Held(page, "decide")
    press(page, "n", "c")
    page.click(row.format("other.mp4"))
    page.wait_for_timeout(300)
    held.refuse_first()
    page.wait_for_url(f"**clip={other}**")
    page.wait_for_selector(".rv-ack:has-text('plaza.mp4: That was refused.')")
    page.click(".rv-ack button:has-text('Open it')")
    page.wait_for_selector(".rv-title:has-text('plaza.mp4')")
    page.wait_result()
    assert page.inner_text(".rv-ack") == ""
    held = Held(page, "decide")
    press(page, "n", "c")
    held.refuse_first()
    wait_ack(page, "That was refused.")
    assert "plaza" not in page.inner_text(".rv-ack")  # it is on screen


def test_a_key_before_the_decisions_are_read_is_not_swallowed(at, server):
    page = at("hasty")
    held = Held(page, "marks")
    page.reload()
    page.wait_for_selector(".rv-field[data-to]", state="attached")
    page.fill(".rv-cut [name=threshold]", "0.45")  # cut by the page itself
    page.evaluate("document.activeElement.blur()")
    page.wait_for_selector(".rv-flagged tr")
    press(page, "n", "c")
    wait_ack(page, "press again in a moment")
    held.release()
    page.wait_for_timeout(300)
    assert saved(server, "hasty") == []


def drawn(page, n):
    page.click(".rv-lookline button")
    page.wait_for_selector(".rv-lookdraw:visible")
    page.fill(".rv-lookdraw [name=n]", str(n))
    page.fill(".rv-lookdraw [name=window_s]", "2")
    press(page, "Enter")
    page.wait_for_selector(".rv-lookplace:has-text('Window 1 of')")


def test_answers_of_a_blind_look_are_saved_though_requests_are_lost_and_it_is_closed(at, server):
    page = at("looker")
    drawn(page, 5)
    lose(page, "answer_look", [False, True])
    press(page, "x", "c")
    page.wait_for_selector(".rv-lookfault:has-text('not saved yet')")
    page.wait_for_selector(".rv-lookplace:has-text('Window 3 of')")
    assert page.inner_text(".rv-lookfault") == ""
    held = Held(page, "answer_look")
    press(page, "x", "t", "x", "Escape")
    page.wait_for_timeout(300)
    held.release()
    page.wait_for_selector(".rv-lookline:has-text('below')")
    page.click(".rv-lookline button")
    page.wait_for_selector(".rv-lookfound:visible")
    answers = saved(server, "looker", "look_answers", "answer")
    assert answers == ["nothing", "something", "nothing", "unsure", "nothing"]
    only_lost_requests(page)


def test_watched_is_sent_until_it_is_saved(at, server, tmp_path):
    quiet = keep(server, make_video(tmp_path / "quiet.mp4", seconds=4), lambda c: made_up(c, FakeAnalyzer(), FAINT))[0]
    page = at("watcher")
    page.goto(f"{server.url}?clip={quiet}")
    page.wait_for_selector(".rv-watched:visible")
    lose(page, "watch", [False, True])
    press(page, "w")
    wait_ack(page, "Watched, nothing here")
    assert saved(server, "watcher") == ["watch"]
    press(page, "w")
    wait_ack(page, "Not watched yet")
    only_lost_requests(page)
