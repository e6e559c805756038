"""The wall round the page: raw HTTP against the real server, then Chromium with a page of another origin."""

import contextlib
import functools
import http.client
import http.server
import json
import socket
import time

import pytest
from browser import Server, serving
from fakes import make_video, until
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from subpath import SubPath, served

from app.settings import Settings
from app.web.guard import ADDRESSES, ATTEMPTS, JSON_BYTES, WINDOW_S, Attempts, Guard

EVIL = "http://evil.example"
BOTH = ("ann", "the right password")


class Guarded(Server):
    """The page that takes uploads of up to 2 MB."""

    def arguments(self):
        return [*super().arguments(), "--max-upload", "2"]


class Locked(Server):
    """The page that asks for a name and a password."""

    def environment(self):
        return {**super().environment(), "CMHKF_AUTH": ":".join(BOTH)}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    yield from serving(tmp_path_factory.mktemp("open"), Guarded)


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory):
    yield from serving(tmp_path_factory.mktemp("locked"), Locked)


def ask(server, method, path, body=None, **headers):
    """One request as it is written; `_` in a header's name stands for `-`, and None leaves a usual header out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        if body is not None:
            headers = {"Content_Type": "application/json", "Content_Length": str(len(body))} | headers
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = b"" if "event-stream" in answer.headers.get("content-type", "") else answer.read()
        return answer.status, answer.headers, text.decode("utf-8", "replace")
    finally:
        connection.close()


@functools.cache
def component_of(server, name, cookie=None):
    """The id of the component that has a function of Python's."""
    config = json.loads(ask(server, "GET", "/config", **{"Cookie": cookie} if cookie else {})[2])
    return next(c["id"] for c in config["components"] if name in json.dumps(c["props"].get("server_fns", "")))


def calling(server, name, data, cookie=None):
    """What the page sends to call Python."""
    asked = {"data": data, "component_id": component_of(server, name, cookie), "session_hash": "s", "fn_name": name}
    return json.dumps(asked)


def server_function(server, name, data, **headers):
    body = calling(server, name, data, headers.get("Cookie")).encode()
    return ask(server, "POST", "/gradio_api/component_server", body, **headers)


def library(server):
    return [entry["name"] for entry in json.loads(server_function(server, "library", {})[2])["library"]]


@pytest.fixture(scope="module")
def example(open_server):
    status, _, text = server_function(open_server, "status", {})
    assert status == 200
    return json.loads(text)["examples"][0]["name"]


def test_the_log_tells_the_address_and_advises_no_public_one(open_server):
    until(lambda: open_server.url.rstrip("/") in open_server.said())
    assert "public" not in open_server.said()


# Who may ask ---------------------------------------------------------------------------------------------------------

FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": EVIL, "Sec_Fetch_Site": "same-origin"},
    {"Origin": EVIL, "X_Forwarded_Host": "127.0.0.1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},  # another port of the same machine
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    {"Host": "evil.example:7860"},
    {"Host": "evil.localhost"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "evil.example", "X_Forwarded_Host": "localhost"},
    {"Host": ""},
]


READ = """/config /gradio_api/info /gradio_api/queue/data?session_hash=s /gradio_api/app_id /logout /theme.css
/gradio_api/startup-events /gradio_api/heartbeat/s"""
BESIDES = """token token/ proxy=https://x.hf.space/ file=http://example.com/ file=%20HTTPS://example.com/
file/http://example.com/ deep_link?session_hash=s dev/reload runs run-history/records stream/s/r/1/playlist.m3u8
vibe-code profiling/traces /../config"""


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nothing_is_changed_or_read_for_another_page(open_server, example, headers):
    kinds = ["application/json", "text/plain"] if "Host" in headers else ["text/plain"]
    before = library(open_server)
    for kind in kinds:
        assert server_function(open_server, "take_example", {"name": example}, Content_Type=kind, **headers)[0] == 403
    for path in READ.split():
        status, answer, text = ask(open_server, "GET", path, **headers)
        assert (status, "access-control-allow-origin" in answer) == (403, False), path
        assert text.endswith((".", "name.")), text
    if "Origin" in headers:
        asks = {
            "Access_Control_Request_Method": "POST",
            "Access_Control_Request_Headers": "content-type,x-forwarded-host",
        }
        status, answer, _ = ask(open_server, "OPTIONS", "/gradio_api/component_server", **asks, **headers)
        assert status == 403
        assert not [name for name in answer if name.lower().startswith("access-control")]
    assert library(open_server) == before


def test_the_page_itself_and_scripts_may(open_server, example):
    own = f"http://127.0.0.1:{open_server.port}"
    for headers in ({"Origin": own, "Sec_Fetch_Site": "same-origin"}, {}, {"Host": f"localhost:{open_server.port}"}):
        assert server_function(open_server, "status", {}, **headers)[0] == 200
    status, answer, _ = ask(open_server, "GET", "/config", Origin=own)
    assert status == 200
    assert not [name for name in answer if name.lower().startswith("access-control")]


def test_a_link_on_another_site_opens_the_page_and_nothing_else(open_server):
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    status, answer, text = ask(open_server, "GET", "/?clip=1", **linked)
    assert (status, "CMHKF Review" in text, answer["x-content-type-options"]) == (200, True, "nosniff")
    assert answer["content-security-policy"] == "frame-ancestors 'self'"
    assert answer["cross-origin-resource-policy"] == "same-origin"
    assert ask(open_server, "GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert ask(open_server, "POST", "/", b"{}", **linked)[0] == 403


def test_server_functions_take_json_alone(open_server, example):
    before = library(open_server)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "", None):
        status, _, text = server_function(open_server, "take_example", {"name": example}, Content_Type=kind)
        assert (status, "application/json" in text) == (415, True), kind
        for path in ("queue/join", "run/segments", "api/segments", "call/segments", "call/v2/segments", "cancel"):
            assert ask(open_server, "POST", f"/gradio_api/{path}", b"{}", Content_Type=kind)[0] == 415, path
    assert (ask(open_server, "POST", "/gradio_api/upload", b"{}")[0], library(open_server)) == (415, before)
    assert server_function(open_server, "status", {}, Content_Type="application/json; charset=utf-8")[0] == 200


@pytest.mark.parametrize("path", BESIDES.split())
def test_what_gradio_answers_besides_is_not_there(open_server, path):
    assert ask(open_server, "GET", f"/gradio_api/{path}")[0] == 404
    assert ask(open_server, "POST", f"/gradio_api/{path}", b"{}")[0] == 404
    assert ask(open_server, "GET", "/monitoring")[0] == 404


# How much may be sent ------------------------------------------------------------------------------------------------


def chunked(server, path, kind, blocks):
    """Status and text of the answer to a body of unsaid length."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for block in blocks:
                line.sendall(b"%x\r\n%s\r\n" % (len(block), block))
            line.sendall(b"0\r\n\r\n")
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, answer.read().decode()


def test_bodies_have_limits_whether_or_not_they_say_their_length(open_server):
    for path in ("component_server", "queue/join", "call/segments", "run/segments"):
        status, _, text = ask(open_server, "POST", f"/gradio_api/{path}", b"[", Content_Length=str(JSON_BYTES + 1))
        assert (status, f"{JSON_BYTES:,} bytes" in text) == (413, True)
        status, text = chunked(open_server, f"/gradio_api/{path}", "application/json", [b"[" * 1_000_000] * 11)
        assert (status, f"{JSON_BYTES:,} bytes" in text) == (413, True)
    status, text = chunked(open_server, "/login", "application/x-www-form-urlencoded", [b"username=" + b"a" * 20_000])
    assert (status, "16,000 bytes" in text, ask(open_server, "GET", "/config", b"x")[0]) == (413, True, 413)


def part(name, size):
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return head.encode() + b"x" * size + b"\r\n"


def test_uploads_have_limits_and_leave_nothing(open_server):
    folder = open_server.home / "uploads"
    kind = "multipart/form-data; boundary=b"
    assert ask(open_server, "POST", "/gradio_api/upload", b"", Content_Type=kind, Content_Length="3000001")[0] == 413
    before = {path for path in folder.rglob("*") if path.is_file()}
    for blocks in ([part("one", 2_500_000)], [part(f"{i}", 900_000) for i in range(5)]):
        status, text = chunked(open_server, "/gradio_api/upload", kind, [*blocks, b"--b--\r\n"])
        assert (status, "maximum allowed size" in text) == (413, True)
    assert {path for path in folder.rglob("*") if path.is_file()} == before
    status, text = chunked(open_server, "/gradio_api/upload", kind, [part("small", 1_900_000), b"--b--\r\n"])
    assert (status, json.loads(text)[0].endswith("small")) == (200, True)


# A login -------------------------------------------------------------------------------------------------------------


def login(server, password, **headers):
    body = f"username={BOTH[0]}&password={password.replace(' ', '+')}".encode()
    return ask(server, "POST", "/login", body, Content_Type="application/x-www-form-urlencoded", **headers)


PROXIED = {"X_Forwarded_Host": "review.example", "X_Forwarded_Proto": "https"}


def test_cookies_are_strict_and_no_other_origin_can_use_them(locked_server):
    status, answer, _ = login(locked_server, BOTH[1], Origin="https://review.example", **PROXIED)
    cookies = answer.get_all("set-cookie")
    assert (status, len(cookies)) == (200, 2)
    assert all(c.lower().count("samesite=") == 1 and "SameSite=Strict" in c and "HttpOnly" in c for c in cookies)
    mine = {"Cookie": "; ".join(c.split(";")[0] for c in cookies), **PROXIED}
    assert server_function(locked_server, "status", {}, Origin="https://review.example", **mine)[0] == 200
    for path in ("/config", "/gradio_api/info", "/gradio_api/user"):
        assert ask(locked_server, "GET", path, **mine)[0] == 200
        status, answer, _ = ask(locked_server, "GET", path, Origin=EVIL, **mine)
        assert (status, "access-control-allow-origin" in answer) == (403, False)
    assert ask(locked_server, "GET", "/gradio_api/token", **mine)[0] == 404
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(locked_server, "GET", "/logout", **linked, **mine)[0] == 403
    assert ask(locked_server, "GET", "/gradio_api/user", **mine)[2] == '"ann"'


def test_a_link_from_elsewhere_is_asked_for_once_more_so_that_strict_cookies_come_along(locked_server):
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert 'http-equiv="refresh"' in ask(locked_server, "GET", "/?clip=1", **linked)[2]
    assert "auth_required" in ask(locked_server, "GET", "/?clip=1", Sec_Fetch_Site="same-origin")[2]


def test_logins_are_throttled_by_address(locked_server):
    one, other = {"X_Forwarded_For": "203.0.113.7"}, {"X_Forwarded_For": "203.0.113.8"}  # as a proxy here tells them
    assert [login(locked_server, "wrong", **one)[0] for _ in range(ATTEMPTS - 1)] == [400] * (ATTEMPTS - 1)
    assert login(locked_server, BOTH[1], **one)[0] == 200  # whoever knows the password starts anew
    assert [login(locked_server, "wrong", **one)[0] for _ in range(ATTEMPTS)] == [400] * ATTEMPTS
    status, answer, text = login(locked_server, BOTH[1], **one)
    assert (status, "try again in" in text) == (429, True)
    assert 0 < int(answer["retry-after"]) <= WINDOW_S
    assert login(locked_server, BOTH[1], **other)[0] == 200


def test_failed_logins_are_remembered_in_bounded_memory_and_for_a_while():
    attempts = Attempts()
    for i in range(3 * ADDRESSES):
        assert attempts.wait_s(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 0.0) == 0
    assert len(attempts._failed) == ADDRESSES
    for i in range(ATTEMPTS):
        assert attempts.wait_s(f"2001:db8::{i}", 1.0) == 0
    assert attempts.wait_s("2001:db8::ffff:1", 1.0) == WINDOW_S  # the same house
    assert (attempts.wait_s("2001:db8:0:1::1", 1.0), attempts.wait_s("2001:db8::1", 1.0 + WINDOW_S)) == (0, 0)


@pytest.mark.parametrize("kind", [Guarded, Locked])
@pytest.mark.parametrize("prefix", ["", "/team/review"])
def test_a_script_works_without_and_behind_a_proxy(tmp_path, kind, prefix, request):
    server = request.getfixturevalue("open_server" if kind is Guarded else "locked_server")
    proxy = SubPath(server.url, prefix) if prefix else None
    try:
        auth, url = BOTH if kind is Locked else None, proxy.url if proxy else server.url
        client = Client(url, verbose=False, auth=auth, download_files=tmp_path)
        clip = make_video(tmp_path / "clip.mp4", seconds=3)
        answer = client.predict(handle_file(str(clip)), "demo", 0.5, api_name="/analyze")
        assert answer["n_snippets"] == 4
        assert client.predict(api_name="/library")
        assert client.predict(answer["analysis_id"], "csv", api_name="/export").endswith(".csv")
        assert client.predict(answer["analysis_id"], 0.05, api_name="/segments")["segments"]
        with pytest.raises(AppError, match="no analysis 'nope'"):
            client.predict("nope", 0.5, api_name="/segments")
        endpoints = client.view_api(return_format="dict")["named_endpoints"]
        assert sorted(endpoints) == ["/analyze", "/export", "/library", "/reel", "/segments"]
        client.close()
    finally:
        if proxy:
            proxy.stop()


# Names of the server -------------------------------------------------------------------------------------------------


def guarded(**settings):
    async def hello(request):
        return PlainTextResponse("hello", headers={"Set-Cookie": "a=b; SameSite=none; Secure"})

    return TestClient(Starlette(routes=[Route("/", hello)], lifespan=Guard(Settings(**settings)).lifespan))


@pytest.mark.parametrize(
    ("settings", "known", "unknown"),
    [
        ({}, ["localhost", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:1"], ["review.example", "10.0.0.5", "0.0.0.0"]),
        ({"host": "::1"}, ["localhost", "[::1]"], ["review.example"]),
        ({"host": "0.0.0.0"}, ["review.example", "10.0.0.5:80", "localhost"], ["a b", "x@y", "x/y", ""]),
        (
            {"allowed_hosts": ("review.example", "other.example:81")},
            ["review.example", "Review.Example:443", "review.example.", "other.example:81", "localhost"],
            ["other.example", "x.review.example", "review.example.evil", "10.0.0.5"],
        ),
        (
            {"host": "0.0.0.0", "allowed_hosts": ("a-b.hf.space",)},
            ["a-b.hf.space", "10.0.0.5:7860"],  # a Space is also knocked at by number
            ["evil.example"],
        ),
        ({"allowed_hosts": ("*",)}, ["any.example"], ["a b"]),
    ],
)
def test_hosts(settings, known, unknown):
    with guarded(**settings) as client:
        for status, hosts in ((200, known), (403, unknown)):
            answers = {host: client.get("/", headers={"Host": host}).status_code for host in hosts}
            assert answers == dict.fromkeys(hosts, status)


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {"Host": "localhost:7860", "Origin": "http://localhost:7860"}, 200),
        ({}, {"Host": "localhost:7860", "Origin": "http://localhost:7861"}, 403),
        ({}, {"Host": "localhost:7860", "Origin": "http://localhost"}, 403),
        ({}, {"Host": "localhost:80", "Origin": "http://localhost"}, 200),
        ({}, {"Host": "localhost", "Origin": "file://localhost"}, 403),
        ({}, {"Host": "localhost", "Origin": "http://["}, 403),
        ({"host": "0.0.0.0"}, {"Host": "review.example", "Origin": "https://review.example"}, 200),
        ({"host": "0.0.0.0"}, {"Host": "review.example", "Origin": EVIL}, 403),
        ({"root_path": "https://review.example/x"}, {"Host": "localhost", "Origin": "https://review.example"}, 200),
        ({"allowed_hosts": ("review.example",)}, {"Host": "localhost", "Origin": "https://review.example"}, 200),
        ({"allowed_hosts": ("review.example",)}, {"Host": "localhost", "Origin": "https://review.example:81"}, 403),
        ({"allowed_hosts": ("*",)}, {"Host": "localhost", "Origin": EVIL}, 403),
    ],
)
def test_origins(settings, headers, status):
    with guarded(**settings) as client:
        assert client.get("/", headers=headers).status_code == status


def test_pages_that_may_frame_it_are_named_and_then_cookies_reach_it_there():
    with guarded(frame_ancestors=("https://huggingface.co",)) as client:
        answer = client.get("/", headers={"Host": "localhost"})
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self' https://huggingface.co"
        assert answer.headers["set-cookie"] == "a=b; SameSite=none; Secure"
    with guarded() as client:
        assert client.get("/", headers={"Host": "localhost"}).headers["set-cookie"] == "a=b; Secure; SameSite=Strict"


# A real browser ------------------------------------------------------------------------------------------------------

ATTACK = """async ([home, body]) => {
  const told = {};
  const tried = async (name, work) => { try { told[name] = await work(); } catch (error) { told[name] = 'failed'; } };
  const post = (type, mode) => fetch(home + 'gradio_api/component_server',
    { method: 'POST', mode, credentials: 'include', headers: type ? { 'Content-Type': type } : {}, body });
  await tried('plain', async () => (await post('text/plain', 'no-cors')).type);
  await tried('plain cors', async () => (await post('text/plain', 'cors')).status);
  await tried('json', async () => (await post('application/json', 'cors')).status);
  for (const path of ['config', 'gradio_api/token', 'gradio_api/user', 'gradio_api/info', ''])
    await tried('read /' + path, async () => (await fetch(home + path, { credentials: 'include' })).text());
  for (const [tag, path] of [['script', 'theme.css'], ['img', 'static/img/logo.svg'], ['img', 'favicon.ico']])
    await tried(tag + ' ' + path, () => new Promise((done, fail) => {
      const made = Object.assign(document.createElement(tag), { onload: () => done('loaded'), onerror: fail });
      made.src = home + path;
      document.body.append(made);
    }));
  const frame = document.createElement('iframe');
  await new Promise((done) => { frame.onload = done; frame.src = home; document.body.append(frame); });
  return told;
}"""
FORM_POST = """([home, body]) => {
  const form = Object.assign(document.createElement('form'),
    { method: 'POST', action: home + 'gradio_api/component_server', enctype: 'text/plain' });
  form.append(Object.assign(document.createElement('input'), { name: body.slice(0, -1) + ', "x":"', value: '"}' }));
  document.body.append(form);
  form.submit();
}"""


@pytest.fixture
def evil(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html><title>evil</title><body>evil")

    with served(tmp_path) as port:
        yield port


PAIRS = ("127.0.0.1", "localhost"), ("127.0.0.1", "evil.localhost"), ("localhost", "127.0.0.1"), ("localhost",) * 2
OTHERS = [pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS]


@pytest.mark.browser
@pytest.mark.parametrize(("home", "name"), [("127.0.0.1", "127.0.0.1"), ("localhost", "evil.localhost"), *OTHERS])
def test_a_page_of_another_origin_changes_and_reads_nothing(browser, open_server, example, evil, name, home):
    body = calling(open_server, "take_example", {"name": example})
    url, before = f"http://{home}:{open_server.port}/", library(open_server)
    page = browser.new_page()
    page.goto(f"http://{name}:{evil}/")
    told = page.evaluate(ATTACK, [url, body])
    assert told.pop("plain") in ("opaque", "failed")
    assert told == dict.fromkeys(told, "failed")
    framed = next(frame for frame in page.frames if frame is not page.main_frame)
    framed.wait_for_url(lambda url: url.startswith("chrome-error:"), wait_until="commit")
    with page.expect_navigation():
        page.evaluate(FORM_POST, [url, body])
    assert "may not ask this server" in page.inner_text("body")
    page.goto(f"http://{name}:{evil}/")
    link = "url => { const a = document.createElement('a'); a.href = url; document.body.append(a); a.click(); }"
    page.evaluate(link, url)
    page.wait_for_selector(".rv-home")  # a link may be followed
    page.close()
    time.sleep(0.2)
    assert library(open_server) == before
