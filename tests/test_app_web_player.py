"""How the page's modules are served: under a name that changes with them, and kept by browsers for long."""

import re
import shutil

from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.web.guard import ENDPOINTS
from app.web.player import START, STATIC, ReviewPlayer, content_hash, page_modules, preloads


def test_the_name_follows_every_byte_and_every_file_name(tmp_path):
    folder = tmp_path / "static"
    shutil.copytree(STATIC, folder)
    names = [content_hash(folder)]
    (folder / "lib" / "format.js").open("a").write("\n")
    names.append(content_hash(folder))
    (folder / "lib" / "format.js").rename(folder / "lib" / "formats.js")
    names.append(content_hash(folder))
    assert (names[0], len(set(names))) == (content_hash(STATIC), 3)


def test_every_module_is_served_under_that_name_alone():
    client = TestClient(Starlette(routes=[page_modules()]))
    base = f"/page/{content_hash(STATIC)}"
    modules = [file.relative_to(STATIC).as_posix() for file in STATIC.rglob("*.js")]
    assert len(modules) > 50
    for name in modules:
        answer = client.get(f"{base}/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]
        assert any(endpoint.takes("GET", f"{base}/{name}") for endpoint in ENDPOINTS), name
        for wanted in re.findall(r"^import .* from '([^']+)';$", answer.text, re.MULTILINE):
            assert ((STATIC / name).parent / wanted).is_file(), (name, wanted)
    assert client.get("/page/0123456789abcdef/main.js").status_code == 404
    assert client.get(f"{base}/../player.py").status_code == 404
    assert not any(endpoint.takes("GET", f"{base}/review.html") for endpoint in ENDPOINTS)


def test_all_modules_are_fetched_ahead():
    base = f"page/{content_hash(STATIC)}"
    wanted = {f"{base}/{file.relative_to(STATIC).as_posix()}" for file in STATIC.rglob("*.js")}
    found = re.findall(r'<link rel="modulepreload" href="([^"]+)">', preloads())
    assert (set(found), len(found)) == (wanted, len(wanted))


def test_the_component_starts_the_page_by_one_line():
    made = ReviewPlayer([], plotly_js="plotly.js")
    assert made.js_on_load == START
    assert "\n" not in START
    assert made.props["main"] == f"page/{content_hash(STATIC)}/main.js"
