"""Export and import in Chromium: files that arrive, a report that prints, decisions that come back, and the API."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest
from browser import SECONDS, Watched, export, serving
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.export.marks_file import read_marks
from cmhkf.datasets.labels import read_labels

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opened(watched, clips):
    watched.bring(clips["main"])
    watched.click(".rv-takeaway")
    watched.wait_for_selector(".rv-export[open]")
    return watched


def choose(page, *kinds):
    for box in page.query_selector_all(".rv-export fieldset input"):
        box.set_checked(box.get_attribute("name") in kinds)


def test_several_files_arrive_as_a_zip_that_checks(opened, tmp_path):
    choose(opened, "csv", "json", "clips")
    assert "one zip" in opened.inner_text(".rv-exportsaid >> nth=0")
    file = export(opened, tmp_path)
    with zipfile.ZipFile(file) as packed:
        lines = packed.read("MANIFEST.sha256").decode().splitlines()
        for digest, name in (line.split("  ", 1) for line in lines):
            assert hashlib.sha256(packed.read(name)).hexdigest() == digest
        marks = read_marks("x", packed.read("corridor-review.csv")).marks
        assert marks == read_marks("x", packed.read("corridor-review.json")).marks
    assert sum(".mp4" in line for line in lines) == len(marks) == 2
    assert all(0 <= mark.start_s < mark.end_s <= SECONDS for mark in marks)


def test_an_exported_table_is_shown_before_it_is_taken(opened, tmp_path):
    choose(opened, "csv")
    file = export(opened, tmp_path)
    opened.set_input_files(".rv-exportback input", str(file))
    opened.wait_for_selector(".rv-exportback button.rv-open:visible")
    assert "2 segments, 2 open" in opened.inner_text(".rv-exportback .rv-exportsaid")
    other = tmp_path / "other.csv"
    text = file.read_text(encoding="utf-8-sig")
    other.write_text(re.sub("[0-9a-f]{64}", "cd" * 32, text).replace("corridor.mp4", "<b>yard</b>.mp4"))
    opened.set_input_files(".rv-exportback input", str(other))
    opened.wait_for_selector(".rv-exportback button:has-text('all the same')")
    assert "another file than this clip (<b>yard</b>.mp4)" in opened.inner_text(".rv-exportback .rv-exportsaid")
    other.write_text("no table")
    opened.set_input_files(".rv-exportback input", str(other))
    opened.wait_for_selector(".rv-exportback .rv-exportfailed:has-text('other.csv, line 1: no column id')")
    assert not opened.is_visible(".rv-exportback button.rv-open")


def test_what_cannot_be_exported_is_said_where_the_user_looks(opened):
    choose(opened)
    assert opened.is_disabled(".rv-export button[type=submit]")
    choose(opened, "reel")
    opened.click(".rv-export button[type=submit]")
    opened.wait_for_selector(".rv-exportsaid.rv-exportfailed:has-text('no segment is confirmed')")
    assert opened.is_enabled(".rv-export button[type=submit]")


def test_the_dialog_is_for_the_keyboard_too_and_keeps_the_keys_of_the_page(opened):
    before = opened.evaluate("document.querySelector('.rv-video').currentTime")
    opened.focus(".rv-export input[name=html]")
    assert opened.is_checked(".rv-export input[name=html]")
    opened.keyboard.press("Space")
    opened.keyboard.press("n")
    assert not opened.is_checked(".rv-export input[name=html]")
    opened.keyboard.press("Escape")
    opened.wait_for_selector(".rv-export", state="hidden")
    assert opened.evaluate("document.querySelector('.rv-video').currentTime") == before
    assert opened.evaluate("document.activeElement.className").endswith("rv-takeaway")


@pytest.mark.parametrize("width", [390, 1024])
def test_the_dialog_fits(opened, width):
    opened.set_viewport_size({"width": width, "height": 768})
    box = opened.locator(".rv-export").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 768
    assert opened.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.rv-export'))")


def test_the_door_gives_files_and_the_report_prints(server, clips, browser, tmp_path):
    client = Client(server.url, verbose=False, download_files=tmp_path)
    key = client.predict(handle_file(str(clips["main"])), "demo", 0.5, api_name="/analyze")["analysis_id"]
    for form in ("csv", "json", "vtt", "edl", "html", "zip"):
        file = Path(client.predict(key, form, api_name="/export"))
        assert file.suffix == f".{form}"
        assert file.stat().st_size > 100
        if form == "html":
            report = file
    assert "2.67" not in Path(client.predict(key, "edl", 0.95, api_name="/export")).read_text()
    with pytest.raises(AppError, match="no format 'exe'; choose from csv, json, vtt, edl, html, zip"):
        client.predict(key, "exe", api_name="/export")
    page, faults = browser.new_page(), []
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or faults.append(r.url))
    page.on("console", lambda m: m.type == "error" and faults.append(m.text))
    page.goto(report.as_uri())
    shown = "[...document.images].filter(i => i.complete && i.naturalWidth > 0).length"
    assert page.evaluate(f"[{shown}, document.images.length]") == [2, 2]
    scrolls = "(e => e.scrollWidth > e.clientWidth)(document.querySelector('.chart'))"
    for width in (1024, 920, 919, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(scrolls) == page.is_visible("text=swipe or scroll it to the right"), width
    assert page.locator(".chart svg").bounding_box()["width"] == 830  # it scrolls in its own box
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 1
    assert b"/MediaBox [0 0 594.95" in printed or b"/MediaBox [0 0 595" in printed  # A4
    assert faults == []
    page.close()


def test_decisions_leave_and_come_back_to_another_reviewer(browser, server, clips, tmp_path):
    page = Watched(browser, server)
    page.goto(server.url)
    page.confirm_first(clips["slow"])
    page.click(".rv-takeaway")
    choose(page, "csv", "reel")
    file = export(page, tmp_path)
    with zipfile.ZipFile(file) as packed:
        (table,) = (name for name in packed.namelist() if name.endswith("-review.csv"))
        (tmp_path / "t.csv").write_bytes(packed.read(table))
        assert any(name.endswith("-reel.mp4") for name in packed.namelist())
    (confirmed,) = (m for m in read_marks("t", (tmp_path / "t.csv").read_bytes()).marks if m.state == "confirmed")
    assert confirmed.reviewer == "reviewer"
    page.keyboard.press("Escape")
    page.fill(".rv-reviewer input", "carl")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr[data-state=confirmed]').length === 0")
    page.click(".rv-takeaway")
    page.set_input_files(".rv-exportback input", str(tmp_path / "t.csv"))
    page.click(".rv-exportback button.rv-open:visible")
    page.wait_for_selector(".rv-exportback :has-text('1 segment was taken in')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".rv-flagged tr[data-state=confirmed]")
    page.keyboard.press("u")
    page.wait_for_selector(".rv-ack:has-text('import')")
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr[data-state=confirmed]').length === 0")
    page.end()


@pytest.fixture
def untouched(tmp_path_factory):
    """A server on which nobody has decided anything."""
    yield from serving(tmp_path_factory.mktemp("untouched"))


def test_a_reel_of_the_library_is_made_by_a_button_and_plays(browser, untouched, clips, tmp_path):
    page = Watched(browser, untouched)
    page.goto(untouched.url)
    page.bring(clips["main"])
    page.click(".rv-takeaway")
    choose(page, "csv")
    assert not page.is_visible(".rv-reel")
    choose(page, "reel")
    assert page.input_value(".rv-reel select") == "confirmed"
    page.keyboard.press("Escape")
    page.click(".rv-takereel")
    assert not page.is_visible(".rv-export fieldset")
    page.click(".rv-export button[type=submit]")
    page.wait_for_selector(".rv-exportfailed:has-text('no segment is confirmed, so there is no reel')")
    page.select_option(".rv-reel select", "flagged")
    page.fill(".rv-reel [name=context_s]", "0.5")
    page.click(".rv-export button[type=submit]")
    page.click(".rv-export button:has-text('Cancel')")
    page.wait_for_selector(".rv-exportsaid:has-text('Cancelled')")
    file = export(page, tmp_path)
    page.end()
    with zipfile.ZipFile(file) as packed:
        packed.extract("library-reel.mp4", tmp_path)
        assert packed.read("library-reel.csv").decode().count("corridor.mp4") == 2
    player = browser.new_page()
    player.goto((tmp_path / "library-reel.mp4").as_uri())
    player.wait_for_function("document.querySelector('video').readyState >= 2")
    width, length_s, error = player.evaluate(
        "(v => [v.videoWidth, v.duration, v.error])(document.querySelector('video'))"
    )
    assert (width, error) == (640, None)
    assert length_s > 2 * 2.5
    player.close()


def test_decisions_on_all_clips_leave_as_training_labels(browser, untouched, clips, tmp_path):
    watched = Watched(browser, untouched)
    watched.goto(untouched.url)
    watched.bring(clips["main"])
    assert not watched.is_visible(".rv-takelabels")
    watched.keyboard.press("n")
    watched.keyboard.press("c")
    watched.wait_for_selector(".rv-takelabels:visible")
    watched.click(".rv-takelabels")
    assert "train --finetune demo --labels FILE" in watched.inner_text(".rv-exportclip")
    assert not watched.is_visible(".rv-export fieldset")
    file = export(watched, tmp_path)
    assert file.name == "library-training-labels.zip"
    labels = read_labels([file], tmp_path)
    assert [(v.name, [s.state for s in v.segments]) for v in labels.videos] == [("corridor.mp4", ["confirmed", "open"])]
    watched.keyboard.press("Escape")
    watched.click(".rv-takeaway")  # the other dialog is as it was
    assert watched.is_visible(".rv-export fieldset")
    assert watched.inner_text(".rv-export h2") == "Export"
    watched.end()
