"""What a small screen and a busy one must not hide, in Chromium, measured on the page."""

import pytest
from browser import address_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOX = "(selector) => document.querySelector(selector).getBoundingClientRect().toJSON()"


@pytest.fixture(scope="module")
def analysed(browser, server, clips):
    return address_of(browser, server, clips["main"])


def test_the_segment_in_hand_is_ringed_on_the_timeline(at):
    page = at()
    chosen = "[...document.querySelectorAll('.rv-strip .rv-inhand')].map((b) => b.dataset.id)"
    current = "document.querySelector('.rv-table tr[aria-current]').dataset.id"
    for key in ("n", "n", "p"):
        page.keyboard.press(key)
        page.wait_for_function(f"{chosen}.length === 1 && {chosen}[0] === {current}")
    page.fill("input[name=threshold]", "0.4")  # cut anew: other blocks, the same segment
    page.wait_for_function(f"{chosen}[0] === {current}")


def test_a_note_has_room_while_it_is_written(at):
    page = at()
    page.keyboard.press("n")
    page.keyboard.press("m")
    page.wait_for_function("document.activeElement.matches('.rv-note')")
    assert page.evaluate(BOX, ".rv-note")["width"] > 400
    assert page.is_visible('.rv-decide [data-do="confirm"]')
    page.keyboard.press("Escape")
    page.wait_for_selector('.rv-decide [data-do="split"]')


def test_a_phone_shows_the_explanations_and_wide_buttons(at):
    page = at(width=390, height=844)
    page.click("#rv-tab-classes")
    assert page.is_visible(".rv-gt .rv-if-none")
    assert page.is_hidden(".rv-sum .rv-hint")  # a phone has no keys
    assert page.is_visible(".rv-theme")
    play, confirm = (page.evaluate(BOX, s) for s in (".rv-play", '.rv-decide [data-do="confirm"]'))
    assert min(play["height"], confirm["height"]) >= 36
    assert min(play["width"], confirm["width"]) >= 60


def test_the_help_fits_a_laptop(at):
    page = at(width=1024, height=768)
    page.keyboard.press("?")
    page.wait_for_selector(".rv-keys[open]")
    assert page.evaluate("(d => d.scrollHeight <= d.clientHeight)(document.querySelector('.rv-keys'))")


def test_an_answer_that_is_late_is_not_told_as_no_segments(at):
    page = at()
    page.wait_for_url("**clip=*")  # written a moment after the clip is shown
    page.route("**/component_server/**", lambda r: "marks" in r.request.post_data or r.continue_())
    page.reload()
    page.wait_for_selector(".rv[data-view='clip'][data-work='none'] .rv-trust dd")
    page.wait_for_selector(".rv-field[data-to]", state="attached")
    assert (page.inner_text(".rv-count"), page.inner_text(".rv-nothing")) == ("Reading the segments…", "")
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    page.wait_for_selector(".rv-flagged tr")
