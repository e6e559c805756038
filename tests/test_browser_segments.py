"""The segment table: filters, sorting, what keys walk, and their place in the address; six segments, known classes."""

import pytest
from browser import current, press, states, wait_ack
from busy_clip import CLASSES, PEAKS, SEGMENT_S

pytestmark = pytest.mark.browser

NUMBERS = "[...document.querySelectorAll('.rv-flagged tr')].map(r => Number(r.cells[0].textContent))"
HUSHED = "[...document.querySelectorAll('.rv-strip .rv-block')].map(b => b.classList.contains('rv-hushed'))"
FOCUSED = "document.activeElement.closest('tr')?.cells[0].textContent ?? document.activeElement.className"
WIDE = """[document.documentElement, ...document.querySelectorAll('.rv-panel, .rv-pick')]
    .filter(box => box.scrollWidth > box.clientWidth + 1).length"""
STOP = "(e => e.name || e.dataset.sort || e.tagName)(document.activeElement)"


@pytest.fixture(scope="module")
def server(busy):
    return busy[0]


@pytest.fixture(scope="module")
def analysed(busy):
    return f"{busy[0].url}?clip={busy[1]}"


def numbers(watched):
    return watched.page.evaluate(NUMBERS)


def selected(watched):
    return watched.page.inner_text(".rv-table tr[aria-current] td:first-child")


def where(wanted):
    return [i + 1 for i, name in enumerate(CLASSES) if name == wanted]


def by_peak(chosen):
    return sorted(chosen, key=lambda i: -PEAKS[i - 1])


def test_a_class_is_listed_alone_and_the_others_stand_back(at):
    watched = at()
    page = watched.page
    assert page.locator(".rv-pick button").is_hidden()
    page.select_option("[name=seg_class]", "fighting")
    assert numbers(watched) == where("fighting") == [1, 3, 6]
    assert page.inner_text(".rv-shown") == "3 of 6 shown"
    assert page.inner_text(".rv-count").startswith("6 of 6 left")
    assert page.evaluate(HUSHED) == [name != "fighting" for name in CLASSES]
    press(watched, "n", "n")
    assert selected(watched) == "3"
    press(watched, "n", "n", "p")
    assert selected(watched) == "3"
    page.wait_for_url("**seg_class=fighting**")
    page.click(".rv-pick button")
    assert numbers(watched) == [1, 2, 3, 4, 5, 6]
    assert page.evaluate(HUSHED) == [False] * 6
    assert page.evaluate("document.activeElement.name") == "seg_class"
    page.wait_for_function("!location.search.includes('seg_')")


def test_heads_sort_and_keys_walk_the_order_shown(at):
    watched = at()
    page = watched.page
    page.click(".rv-sortby[data-sort=peak]")
    assert numbers(watched) == by_peak(range(1, 7))
    assert page.get_attribute("th:has(.rv-sortby[data-sort=peak])", "aria-sort") == "descending"
    assert page.locator("[aria-sort]").count() == 1
    page.evaluate("document.activeElement.blur()")
    walked = []
    for _ in range(3):
        press(watched, "n")
        walked.append(int(selected(watched)))
    assert walked == by_peak(range(1, 7))[:3]
    press(watched, "p")
    assert int(selected(watched)) == walked[1]
    page.click(".rv-sortby[data-sort=peak]")
    assert numbers(watched) == by_peak(range(1, 7))[::-1]
    assert page.get_attribute("th:has(.rv-sortby[data-sort=peak])", "aria-sort") == "ascending"
    page.focus(".rv-sortby[data-sort=class]")
    press(watched, "Enter")
    assert numbers(watched) == where("car accident") + where("fighting") + where("riot")
    page.click(".rv-sortby[data-sort=time]")
    assert numbers(watched) == [1, 2, 3, 4, 5, 6]


def test_a_decided_row_stays_until_the_selection_moves_on(at):
    watched = at()
    page = watched.page
    page.uncheck(".rv-moveon input")
    page.select_option("[name=seg_state]", "open")
    page.evaluate("document.activeElement.blur()")
    press(watched, "n", "n", "c")
    wait_ack(watched, "Confirmed 2 of 6 · 5 left")
    assert (numbers(watched), selected(watched)) == ([1, 2, 3, 4, 5, 6], "2")
    assert "filtered out" in page.inner_text("tr[aria-current]")
    press(watched, "n")
    assert (numbers(watched), selected(watched)) == ([1, 3, 4, 5, 6], "3")
    page.check(".rv-moveon input")
    page.focus(".rv-table tr[aria-current]")
    press(watched, "x")
    wait_ack(watched, "Dismissed 3 of 6 · 4 left")
    assert (numbers(watched), selected(watched)) == ([1, 4, 5, 6], "4")
    assert page.evaluate(FOCUSED) == "4"
    press(watched, "u")  # what was taken back is shown again
    wait_ack(watched, "Undid: dismiss")
    assert (numbers(watched), selected(watched)) == ([1, 3, 4, 5, 6], "3")
    page.select_option("[name=seg_state]", "confirmed")
    assert numbers(watched) == [2]
    assert page.locator(".rv-table tr[aria-current]").count() == 0
    page.select_option("[name=seg_state]", "dismissed")
    assert page.inner_text(".rv-nothing") == "No segment fits these filters."
    assert page.inner_text(".rv-shown") == "0 of 6 shown"


def test_moving_on_goes_down_the_order_that_was_shown(at):
    watched = at()
    page = watched.page
    page.click(".rv-sortby[data-sort=state]")
    page.evaluate("document.activeElement.blur()")
    press(watched, "n", "n", "c")  # the second sinks below the open ones
    wait_ack(watched, "Confirmed 2 of 6")
    assert (numbers(watched), selected(watched)) == ([1, 3, 4, 5, 6, 2], "3")
    page.select_option("[name=seg_class]", "fighting")
    page.evaluate("document.activeElement.blur()")
    press(watched, "c")
    wait_ack(watched, "Confirmed 3 of 6")
    assert selected(watched) == "6"
    press(watched, "c", "x")
    wait_ack(watched, "Dismissed 1 of 6")
    assert states(watched) == ["confirmed", "confirmed", "dismissed"]
    assert selected(watched) == "1"  # no open one is shown


def test_playback_passes_by_what_is_left_out_and_a_click_takes_it_up(at):
    watched = at()
    page = watched.page
    page.select_option("[name=seg_class]", "riot")
    page.evaluate("document.activeElement.blur()")
    press(watched, "ArrowRight")  # 5 s, in the second segment or near it
    page.keyboard.press("Shift+ArrowRight")
    watched.wait_time(1.5 * SEGMENT_S)
    assert page.locator(".rv-table tr[aria-current]").count() == 0
    box = page.locator(".rv-strip .rv-block >> nth=1").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 100)
    assert (numbers(watched), selected(watched)) == ([2, 4], "2")
    press(watched, "n")
    assert (numbers(watched), selected(watched)) == ([4], "4")


def test_a_link_restores_what_was_listed(at, server):
    watched = at()
    page = watched.page
    page.select_option("[name=seg_class]", "car accident")
    page.select_option("[name=seg_state]", "open")
    page.click(".rv-sortby[data-sort=peak]")
    page.click(".rv-sortby[data-sort=peak]")
    page.wait_for_url("**seg_class=car+accident&seg_state=open&seg_sort=-peak**")
    expected = by_peak(where("car accident"))[::-1]
    assert numbers(watched) == expected
    page.reload()
    watched.wait_result()
    assert numbers(watched) == expected
    page.goto(server.url)
    page.go_back()
    watched.wait_result()
    assert numbers(watched) == expected
    assert page.input_value("[name=seg_class]") == "car accident"
    odd = at(more="&t=0&seg_sort=nonsense&seg_state=nonsense&seg_class=no such class&segment=4")
    assert odd.page.inner_text(".rv-shown") == "1 of 6 shown"
    odd.page.click(".rv-pick button")
    assert numbers(odd) == [1, 2, 3, 4, 5, 6]
    linked = at(more="&t=0&seg_class=riot&segment=2")  # the segment of a link is listed whatever the filter
    assert (numbers(linked), selected(linked)) == ([2, 4], "2")


def test_the_table_is_one_stop_of_the_tab_key(at):
    watched = at()
    page = watched.page
    page.focus("[name=seg_class]")
    stops = []
    for _ in range(6):
        press(watched, "Tab")
        stops.append(page.evaluate(STOP))
    assert stops == ["seg_state", "time", "class", "state", "peak", "TR"]
    press(watched, "ArrowDown", "Enter")
    assert selected(watched) == "2"
    assert current(watched) == 1
    press(watched, "Tab", "Shift+Tab")
    assert page.evaluate(FOCUSED) == "2"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_the_filters_fit(at, width, height):
    page = at("fits", more="&t=0&seg_class=car accident&seg_state=confirmed&segment=1", width=width, height=height).page
    assert page.evaluate(WIDE) == 0
    boxes = [box.bounding_box() for box in page.locator(".rv-pick > *").all()]
    assert max(b["y"] + b["height"] for b in boxes) - min(b["y"] for b in boxes) <= 30
    if width == 1440:
        assert page.evaluate("document.documentElement.scrollHeight") <= height
