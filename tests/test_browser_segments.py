"""The segment table: filters, sorting, what keys walk, and their place in the address; six segments, known classes."""

import re
from dataclasses import replace

import pytest
from browser import SCREENS, Watched, current, keep, only_lost_requests, press, states, wait_ack
from busy_clip import CLASSES, PEAKS, SEGMENT_S, busy, busy_address  # noqa: F401
from fakes import FakeAnalyzer, made_up, make_video

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NUMBERS = "[...document.querySelectorAll('.rv-flagged tr')].map(r => Number(r.cells[0].textContent))"
HUSHED = "[...document.querySelectorAll('.rv-strip .rv-block')].map(b => b.classList.contains('rv-hushed'))"
FOCUSED = "document.activeElement.closest('tr')?.cells[0].textContent ?? document.activeElement.className"
WIDE = """[document.documentElement, ...document.querySelectorAll('.rv-panel, .rv-pick')]
    .filter(box => box.scrollWidth > box.clientWidth + 1).length"""
# Whether the selected row lies between the head of the table and the lower edge of its box.
IN_SIGHT = """box => {
    const row = box.querySelector('[aria-current]').getBoundingClientRect();
    return row.top >= box.querySelector('thead').getBoundingClientRect().bottom - 1
        && row.bottom <= box.getBoundingClientRect().bottom + 1;
}"""
STOP = "(e => e.name || e.dataset.sort || e.tagName)(document.activeElement)"


def numbers(watched):
    return watched.evaluate(NUMBERS)


def selected(watched):
    return watched.inner_text(".rv-table tr[aria-current] td:first-child")


def where(wanted):
    return [i + 1 for i, name in enumerate(CLASSES) if name == wanted]


def by_peak(chosen):
    return sorted(chosen, key=lambda i: -PEAKS[i - 1])


def test_a_class_is_listed_alone_and_the_others_stand_back(at):
    page = at()
    assert page.locator(".rv-pick button").is_hidden()
    page.select_option("[name=seg_class]", "fighting")
    assert numbers(page) == where("fighting") == [1, 3, 6]
    assert page.inner_text(".rv-shown") == "3 of 6 shown"
    assert page.inner_text(".rv-count").startswith("6 of 6 left")
    assert page.evaluate(HUSHED) == [name != "fighting" for name in CLASSES]
    press(page, "n", "n")
    assert selected(page) == "3"
    press(page, "n", "n", "p")
    assert selected(page) == "3"
    page.wait_for_url("**seg_class=fighting**")
    page.focus(".rv-pick button")
    press(page, "Enter")
    assert (numbers(page), page.evaluate(HUSHED)) == ([1, 2, 3, 4, 5, 6], [False] * 6)
    assert page.evaluate("document.activeElement.name") == "seg_class"
    page.wait_for_function("!location.search.includes('seg_')")


def test_heads_sort_and_keys_walk_the_order_shown(at):
    page = at()
    page.click(".rv-sortby[data-sort=peak]")
    assert numbers(page) == by_peak(range(1, 7))
    assert page.get_attribute("th:has(.rv-sortby[data-sort=peak])", "aria-sort") == "descending"
    assert page.locator("[aria-sort]").count() == 1
    page.evaluate("document.activeElement.blur()")
    walked = []
    for _ in range(3):
        press(page, "n")
        walked.append(int(selected(page)))
    assert walked == by_peak(range(1, 7))[:3]
    press(page, "p")
    assert int(selected(page)) == walked[1]
    page.click(".rv-sortby[data-sort=peak]")
    assert numbers(page) == by_peak(range(1, 7))[::-1]
    assert page.get_attribute("th:has(.rv-sortby[data-sort=peak])", "aria-sort") == "ascending"
    page.focus(".rv-sortby[data-sort=class]")
    press(page, "Enter")
    assert numbers(page) == where("car accident") + where("fighting") + where("riot")
    page.click(".rv-sortby[data-sort=time]")
    assert numbers(page) == [1, 2, 3, 4, 5, 6]


def test_a_decided_row_stays_until_the_selection_moves_on(at):
    page = at()
    page.uncheck(".rv-moveon input")
    page.select_option("[name=seg_state]", "open")
    page.evaluate("document.activeElement.blur()")
    press(page, "n", "n", "c")
    wait_ack(page, "Confirmed 2 of 6 · 5 left")
    assert (numbers(page), selected(page)) == ([1, 2, 3, 4, 5, 6], "2")
    assert "filtered out" in page.inner_text("tr[aria-current]")
    press(page, "n")
    assert (numbers(page), selected(page)) == ([1, 3, 4, 5, 6], "3")
    page.check(".rv-moveon input")
    page.focus(".rv-table tr[aria-current]")
    press(page, "x")
    wait_ack(page, "Dismissed 3 of 6 · 4 left")
    assert (numbers(page), selected(page), page.evaluate(FOCUSED)) == ([1, 4, 5, 6], "4", "4")
    press(page, "u")  # what was taken back is shown again
    wait_ack(page, "Undid: dismiss")
    assert (numbers(page), selected(page)) == ([1, 3, 4, 5, 6], "3")
    page.select_option("[name=seg_state]", "confirmed")
    assert (numbers(page), page.locator(".rv-table tr[aria-current]").count()) == ([2], 0)
    page.select_option("[name=seg_state]", "dismissed")
    assert page.inner_text(".rv-nothing") == "No segment fits these filters."
    assert page.inner_text(".rv-shown") == "0 of 6 shown"


def test_moving_on_goes_down_the_order_that_was_shown(at):
    page = at()
    page.click(".rv-sortby[data-sort=state]")
    page.evaluate("document.activeElement.blur()")
    press(page, "n", "n", "c")  # the second sinks below the open ones
    wait_ack(page, "Confirmed 2 of 6")
    assert (numbers(page), selected(page)) == ([1, 3, 4, 5, 6, 2], "3")
    page.select_option("[name=seg_class]", "fighting")
    page.evaluate("document.activeElement.blur()")
    press(page, "c")
    wait_ack(page, "Confirmed 3 of 6")
    assert selected(page) == "6"
    press(page, "c", "x")
    wait_ack(page, "Dismissed 1 of 6")
    assert states(page) == ["confirmed", "confirmed", "dismissed"]
    assert selected(page) == "1"  # no open one is shown


def test_playback_passes_by_what_is_left_out_and_a_click_takes_it_up(at):
    page = at()
    page.select_option("[name=seg_class]", "riot")
    page.evaluate("document.activeElement.blur()")
    press(page, "ArrowRight")  # 5 s, in the second segment or near it
    page.keyboard.press("Shift+ArrowRight")
    page.wait_time(1.5 * SEGMENT_S)
    assert page.locator(".rv-table tr[aria-current]").count() == 0
    box = page.locator(".rv-strip .rv-block >> nth=1").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 100)
    assert (numbers(page), selected(page)) == ([2, 4], "2")
    press(page, "n")
    assert (numbers(page), selected(page)) == ([4], "4")


def test_a_link_restores_what_was_listed(at, server):
    page = at()
    page.select_option("[name=seg_class]", "car accident")
    page.select_option("[name=seg_state]", "open")
    page.click(".rv-sortby[data-sort=peak]")
    page.click(".rv-sortby[data-sort=peak]")
    page.wait_for_url("**seg_class=car+accident&seg_state=open&seg_sort=-peak**")
    expected = by_peak(where("car accident"))[::-1]
    assert numbers(page) == expected
    page.reload()
    page.wait_result()
    assert numbers(page) == expected
    page.goto(server.url)
    page.go_back()
    page.wait_result()
    assert (numbers(page), page.input_value("[name=seg_class]")) == (expected, "car accident")
    odd = at(more="&t=0&seg_sort=nonsense&seg_state=nonsense&seg_class=no such class&segment=4")
    assert odd.inner_text(".rv-shown") == "1 of 6 shown"
    odd.click(".rv-pick button")
    assert numbers(odd) == [1, 2, 3, 4, 5, 6]
    linked = at(more="&t=0&seg_class=riot&segment=2")  # the segment of a link is listed whatever the filter
    assert (numbers(linked), selected(linked)) == ([2, 4], "2")


def test_the_table_is_one_stop_of_the_tab_key(at):
    page = at()
    page.focus("[name=seg_class]")
    stops = []
    for _ in range(6):
        press(page, "Tab")
        stops.append(page.evaluate(STOP))
    assert stops == ["seg_state", "time", "class", "state", "peak", "TR"]
    press(page, "ArrowDown", "Enter")
    assert (selected(page), current(page)) == ("2", 1)
    press(page, "Tab", "Shift+Tab")
    assert page.evaluate(FOCUSED) == "2"


def test_after_the_mouse_the_keys_are_the_pages_again(at):
    page = at()
    page.fill(".rv-cut [name=threshold]", "0.65")
    press(page, "Enter")
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 5")
    press(page, "n")
    assert selected(page) == "1"
    page.click(".rv-cut button")
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 6")
    press(page, "n")
    assert selected(page) == "2"
    page.dispatch_event("[name=seg_class]", "pointerdown")
    page.select_option("[name=seg_class]", "car accident")
    press(page, "n")
    assert numbers(page) == where("car accident")
    assert selected(page) == "5"
    page.click(".rv-pick button")
    press(page, "p")
    assert (numbers(page), selected(page)) == ([1, 2, 3, 4, 5, 6], "4")
    page.fill(".rv-cut [name=threshold]", "0.65")
    page.focus(".rv-cut button")
    press(page, "Enter")  # by keyboard the focus is not lost
    assert page.evaluate("document.activeElement.name") == "threshold"


CHANGING = ((1, 0.3, 0.1, 0.9), (5, 0.55, 0.1, 0.95))  # fighting, and at once a car accident


def test_a_segment_that_changes_class_says_when_and_is_found_by_each(browser, server, tmp_path):
    video = make_video(tmp_path / "quay.mp4", seconds=24)
    sha256, _ = keep(server, video, lambda clip: made_up(clip, FakeAnalyzer(), CHANGING))
    page = Watched(browser, server)
    page.goto(f"{server.url}?clip={sha256}&t=0")
    page.wait_result()
    runs = page.locator(".rv-flagged .rv-runs button")
    first, second = runs.all_inner_texts()
    assert [words.split(" 00:")[0] for words in (first, second)] == ["fighting", "car accident"]
    assert numbers(page) == [1]
    from_s, change_s = (float(words.split(" 00:")[1][:2]) for words in (first, second))
    assert from_s < 6 < 8 < change_s < 12
    runs.nth(1).click()
    page.wait_time(change_s, 0.6)  # it is written to the second
    assert selected(page) == "1"
    for name in ("fighting", "car accident"):
        page.select_option("[name=seg_class]", name)
        assert page.inner_text(".rv-shown") == "1 of 1 shown"
    page.click("#rv-tab-why")
    page.locator("#rv-panel-why .rv-runs button").nth(0).focus()
    page.keyboard.press("Enter")
    page.wait_time(from_s, 0.6)
    page.click("#rv-tab-segments")
    page.evaluate("document.activeElement.blur()")
    press(page, "4")  # a person's class holds of all of it
    page.wait_for_selector(".rv-flagged .rv-runs", state="detached")
    page.end()


NEAR_AT_ONCE = ((3, 0, 0.1, 0.45), (1, 0.5, 0.05, 0.9))  # a near miss at the clip's beginning


def test_a_near_miss_is_decided_on_only_where_it_was_chosen(browser, server, tmp_path):
    video = make_video(tmp_path / "ramp.mp4", seconds=24)
    sha256, _ = keep(server, video, lambda clip: made_up(clip, FakeAnalyzer(), NEAR_AT_ONCE))
    page = Watched(browser, server, reviewer="ramp")
    page.goto(f"{server.url}?clip={sha256}")
    page.wait_result()
    assert page.inner_text(".rv-misses td:nth-child(2)").startswith("00:00")
    press(page, "c")
    wait_ack(page, "Select a segment first")
    press(page, ".", ",")  # moved within it
    page.wait_time(0)
    assert page.locator(".rv-table tr[aria-current]").count() == 0
    page.fill(".rv-cut input[name=threshold]", "0.97")  # the strongest is a near miss
    page.wait_for_selector(".rv-flagged:not(:has(tr))", state="attached")
    page.click("#rv-tab-why")
    page.click("#rv-panel-why button:has-text('Go to the strongest')")
    page.wait_for_selector("#rv-panel-why .rv-whyhead:has-text('fighting')")
    page.click("#rv-tab-segments")
    with page.expect_response(lambda answer: re.search('"threshold":0.5,.*"choose"', answer.request.post_data or "")):
        page.fill(".rv-cut input[name=threshold]", "0.5")
    page.wait_for_selector(".rv-flagged tr")
    page.wait_for_selector(".rv-strip .rv-block.rv-near")
    block = page.locator(".rv-strip .rv-block.rv-near").bounding_box()
    page.mouse.click(block["x"] + block["width"] / 2, block["y"] + 100)
    page.wait_for_selector(".rv-misses tr[aria-current]")
    page.goto(f"{server.url}?view=events&ev_words=ramp&ev_misses=only")
    page.wait_for_selector(".rv-ev-card[aria-current]")
    page.focus(".rv-ev-card[aria-current]")
    press(page, "Enter")
    page.wait_result()
    page.wait_for_selector(".rv-misses tr[aria-current]")
    press(page, "w")
    wait_ack(page, "This clip has segments: it is done when all of them are decided.")
    press(page, "c")
    wait_ack(page, "Confirmed near miss")
    page.end()


# Whether the words of a card's name lie in its head, and all of its text in the card.
IN_WHOLE = """card => {
    const words = document.createRange();
    words.selectNodeContents(card.querySelector('.rv-ev-label'));
    const [name, head] = [words, card.querySelector('.rv-ev-head')].map((box) => box.getBoundingClientRect());
    return name.right <= head.right && name.bottom <= head.bottom && card.scrollHeight <= card.clientHeight;
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_an_unclear_name_is_told_in_full_and_its_parts_have_their_own(browser, server, tmp_path, width):
    video = make_video(tmp_path / f"pier{width}.mp4", seconds=24, options=("-metadata", f"title=pier {width}"))
    both = re.compile(r"unclear: (fighting or car accident|car accident or fighting)")
    unclear = lambda clip: replace(made_up(clip, FakeAnalyzer(), CHANGING), least_share=0.6)  # noqa: E731
    sha256, _ = keep(server, video, unclear)
    page = Watched(browser, server, width, reviewer=f"pier {width}")
    page.goto(f"{server.url}?view=events&ev_words=pier{width}")
    page.wait_for_selector(".rv-ev-label")
    assert both.match(page.inner_text(".rv-ev-label"))
    assert page.locator(".rv-ev-card").evaluate(IN_WHOLE)
    if width > 390:
        assert both.search(page.locator(".rv-shelf li", has_text=f"pier{width}").text_content())
    page.goto(f"{server.url}?clip={sha256}&t=0")
    page.wait_result()
    row = page.locator(".rv-flagged .rv-class")
    assert both.match(row.inner_text())
    assert row.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    assert both.search(page.inner_text(".rv-strip .rv-block"))
    page.click("#rv-tab-why")
    strongest = page.locator("#rv-panel-why button:has-text('Go to the strongest: ')")
    assert both.search(strongest.inner_text())
    strongest.click()
    page.wait_for_selector(".rv-headline")
    assert "disagree" not in page.inner_text(".rv-headline")
    name = page.locator(".rv-whyhead h3")
    assert both.match(name.inner_text())
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth")
    press(page, "c")  # a person stands for the name now
    page.wait_for_selector(".rv-whyhead h3:not(:has-text('unclear'))")
    press(page, "u")
    page.wait_for_selector(".rv-whyhead h3:has-text('unclear')")
    page.click("#rv-tab-segments")
    page.locator(".rv-flagged .rv-runs button").nth(1).click()  # where it becomes another
    page.evaluate("document.activeElement.blur()")
    press(page, "s")
    wait_ack(page, "Split")
    assert [name.split("\n")[0] for name in row.all_inner_texts()] == ["fighting", "car accident"]
    assert "–" not in page.locator(".rv-flagged .rv-peak").all_inner_texts()
    page.end()


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_filters_fit(at, width, height):
    page = at("fits", more="&t=0&seg_class=car accident&seg_state=confirmed&segment=1", width=width, height=height)
    assert page.evaluate(WIDE) == 0
    boxes = [box.bounding_box() for box in page.locator(".rv-pick > *").all()]
    assert max(b["y"] + b["height"] for b in boxes) - min(b["y"] for b in boxes) <= 30
    if width == 1440:
        assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_a_selected_row_scrolls_the_table_and_never_the_page(at):
    page = at(more="&t=0&segment=1", width=390, height=844)
    page.wait_for_selector(".rv-table tr[aria-current]")
    assert page.evaluate("scrollY") == 0
    press(page, *"nnnnnn")
    assert (selected(page), page.evaluate("scrollY")) == ("6", 0)
    page.set_viewport_size({"width": 1440, "height": 480})
    press(page, *"ppppp")
    first = page.locator(".rv-tables").evaluate(IN_SIGHT)
    press(page, *"nnnnn")
    assert (selected(page), first, page.locator(".rv-tables").evaluate(IN_SIGHT)) == ("6", True, True)
    assert page.locator(".rv-tables").evaluate("box => box.scrollTop") > 0


def test_a_cut_is_kept_although_the_page_its_reviewer_or_the_server_goes_at_once(browser, server, tmp_path):
    video = make_video(tmp_path / "haste.mp4", seconds=5)
    sha256, _ = keep(server, video, lambda clip: made_up(clip, FakeAnalyzer()))
    page = Watched(browser, server, reviewer="hasty")

    def wait_cut(threshold):
        page.wait_for_function(f"Number(document.querySelector('.rv-cut [name=threshold]').value) === {threshold}")

    def opened(threshold):
        page.goto(f"{server.url}?clip={sha256}")  # which says nothing of a threshold
        page.wait_result()
        wait_cut(threshold)

    opened(0.5)
    page.fill(".rv-cut [name=threshold]", "0.44")
    opened(0.44)
    page.fill(".rv-cut [name=threshold]", "0.31")
    page.fill(".rv-reviewer input", "hastier")
    press(page, "Enter")
    wait_cut(0.5)
    page.fill(".rv-reviewer input", "hasty")
    press(page, "Enter")
    wait_cut(0.31)
    page.context.set_offline(True)
    with page.expect_event("requestfailed", lambda lost: '"fn_name":"choose"' in (lost.post_data or "")):
        page.fill(".rv-cut [name=threshold]", "0.27")
    page.wait_for_selector(".rv-offline")
    with page.expect_response(lambda answer: '"fn_name":"choose"' in (answer.request.post_data or "")):
        page.context.set_offline(False)
    opened(0.27)
    only_lost_requests(page)
    page.end()
