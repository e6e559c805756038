"""What may reach the page over HTTP: one wall round everything that Gradio serves.

A browser sends a reviewer's cookies, and reaches this machine's own network, for any page that is open in it. So a
request is answered only when it was made by this page, by a script, or by a person who follows a link to the page:

* `Host` must be a name of this server (`--allowed-hosts`). A name that was pointed at this machine by somebody else
  (DNS rebinding) is not.
* `Origin`, where there is one, must be this server: the host of the request, or the one that a proxy says that it was
  requested (`X-Forwarded-Host`), or an allowed host. That header needs no trusted sender here: a page cannot set it
  without a preflight, and such requests are refused.
* `Sec-Fetch-Site`, where there is one, must be `same-origin` or `none`.
* Scripts send neither, and need nothing but the login where one is set.
* Only the addresses in `ENDPOINTS` exist, each with the kind and the size of body that it takes.
"""

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings
from cmhkf.errors import CmhkfError

MB = 1_000_000
JSON_BYTES = 10 * MB  # the largest is a file of marks, as text within JSON
FORM_BYTES = 16_000  # a name and a password
ATTEMPTS, WINDOW_S, ADDRESSES = 10, 300.0, 4096  # logins that may fail in that time, for so many addresses at once

JSON, FORM, FILES = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
NETLOC = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Endpoint:
    """Addresses that are answered, below the root path."""

    path: str  # a regular expression
    body: str = ""  # the content type that a POST must have; empty: the address is read, with GET or HEAD

    def takes(self, method: str, path: str) -> bool:
        """Whether that request is for it."""
        return method in (("POST",) if self.body else ("GET", "HEAD")) and re.fullmatch(self.path, path) is not None


PAGE = Endpoint("/?")
# Gradio answers more, which nothing here needs: /token (it tells scripts the cookie that browsers hide from them),
# proxy= and file=http... (it fetches what it is told), deep_link, runs, run-history, stream, process_recording,
# dev/reload, monitoring, profiling, vibe-*.
ENDPOINTS = (
    PAGE,
    Endpoint(r"/(config|logout)/?"),
    Endpoint(r"/(theme\.css|favicon\.ico|robots\.txt|manifest\.json|pwa_icon(/[0-9]+)?)"),
    Endpoint(r"/(assets|static|svelte)/.+"),
    Endpoint(r"/page/[0-9a-f]{16}/[a-z_/]+\.js"),
    Endpoint(r"/gradio_api/(user|login_check|app_id|info|openapi\.json)/?"),
    Endpoint(r"/gradio_api/(startup-events|theme\.css|upload_progress|queue/(data|status)|heartbeat/[^/]+)"),
    Endpoint(r"/gradio_api/(call/(v2/)?[^/]+/[^/]+|custom_component/.+)"),
    Endpoint(r"(?is)/gradio_api/file[=/](?!\s*https?:).+"),
    Endpoint(r"/login/?", FORM),
    Endpoint(r"/gradio_api/upload", FILES),
    Endpoint(r"/gradio_api/(component_server|reset|(run|api|call|call/v2)/[^/]+)/?", JSON),
    Endpoint(r"/gradio_api/(queue/join|cancel)", JSON),
)


class TooLarge(MultiPartException):
    """A body grew beyond its limit. Gradio deletes the files of an upload that ends with this kind of error."""


class Attempts:
    """Failed logins by client address, in memory that does not grow with the number of addresses."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, address: str, now: float) -> int:
        """Seconds until that address may try again; 0: it may, and this try counts as failed until `forget`."""
        key = _network(address)
        count, since = self._failed.pop(key, (0, now))
        if now - since >= WINDOW_S:
            count, since = 0, now
        self._failed[key] = (min(count + 1, ATTEMPTS + 1), since)
        while len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)
        return 0 if count < ATTEMPTS else max(1, round(since + WINDOW_S - now))

    def forget(self, address: str) -> None:
        """That address knows the password."""
        self._failed.pop(_network(address), None)


class Guard:
    """The wall, an ASGI application round another. `lifespan` puts it round the one that starts."""

    def __init__(self, settings: Settings) -> None:
        self._hosts = [host for host in settings.allowed_hosts if host != "*"]
        self._any_host = "*" in settings.allowed_hosts or (not self._hosts and not _is_loopback(settings.host))
        self._public = not _is_loopback(settings.host)
        self._own = {_bare(host) for host in (*self._hosts, urlsplit(settings.root_path).netloc) if host}
        self._bound = settings.host.strip("[]").lower()
        self._login = settings.auth is not None
        self._framed = bool(settings.frame_ancestors)
        self._policy = " ".join(["frame-ancestors 'self'", *settings.frame_ancestors])
        self._most = {JSON: JSON_BYTES, FORM: FORM_BYTES, FILES: (settings.max_upload_mb + 1) * MB, "": 0}
        self._attempts = Attempts()
        self._app: ASGIApp | None = None

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """Stand round a FastAPI application from before its first request: also round what answers for Gradio alone,
        as the middleware that lets other origins read."""
        self._app, app.middleware_stack = app.middleware_stack, self
        yield

    def require(self) -> None:
        """Raise CmhkfError when nothing is guarded."""
        if self._app is None:
            raise CmhkfError("this version of Gradio starts without the guard of app/web/guard.py; install Gradio 6.31")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with a sentence."""
        assert self._app is not None
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers, method = Headers(scope=scope), scope["method"]
        path = _below(scope["path"], scope.get("root_path", ""))
        endpoint = next((endpoint for endpoint in ENDPOINTS if endpoint.takes(method, path)), None)
        client = (scope.get("client") or ("",))[0]
        watch = _Watch(receive, send, self._most[endpoint.body] if endpoint else 0, self._dressed)
        refusal = self._refusal(headers, method, endpoint) or self._throttled(endpoint, client)
        if refusal is None and self._cookies_stay_away(headers, endpoint):
            refusal = HTMLResponse('<!doctype html><meta http-equiv="refresh" content="0">')
        if refusal:
            await refusal(scope, receive, watch.send)
            return
        with suppress(TooLarge):
            await self._app(scope, watch.receive, watch.send)
        if watch.too_large and not watch.started:
            await _refuse(413, _too_large(watch.most))(scope, receive, watch.answer)
        if endpoint and endpoint.body == FORM and 200 <= watch.status < 400:
            self._attempts.forget(client)

    def _refusal(self, headers: Headers, method: str, endpoint: Endpoint | None) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            named = ", ".join(hosts)[:100] or "no name"
            return _refuse(
                403, f"This server is not {named!r}. If it should be, start it with --allowed-hosts and that name."
            )
        if any(self._foreign(origin, headers) for origin in headers.getlist("origin")):
            origin = headers["origin"][:100]
            remedy = (
                "let the proxy pass on Host or X-Forwarded-Host, or start the page with --allowed-hosts and that name."
            )
            behind = "If it is this page's own address behind a proxy,"
            return _refuse(403, f"{origin!r} may not ask this server. {behind} {remedy}")
        linked = endpoint is PAGE and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not linked:
            return _refuse(403, "Another site's page may not ask this server; open the page itself.")
        if endpoint is None:
            return _refuse(404, f"There is nothing here for {method}.")
        if endpoint.body and _content_type(headers) != endpoint.body:
            return _refuse(415, f"The body must be {endpoint.body}, and its Content-Type must say so.")
        length = headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,18}", length) or int(length) > self._most[endpoint.body]:
            return _refuse(413, _too_large(self._most[endpoint.body]))
        return None

    def _throttled(self, endpoint: Endpoint | None, client: str) -> Response | None:
        if endpoint is None or endpoint.body != FORM:
            return None
        wait_s = self._attempts.wait_s(client, time.monotonic())
        if not wait_s:
            return None
        answer = _refuse(429, f"Too many logins failed; try again in {wait_s} seconds.")
        answer.headers["Retry-After"] = str(wait_s)
        return answer

    def _cookies_stay_away(self, headers: Headers, endpoint: Endpoint | None) -> bool:
        """Whether a link on another site was followed: browsers send strict cookies only once this page asks again."""
        site = headers.get("sec-fetch-site", "none")
        return self._login and not self._framed and endpoint is PAGE and site not in ("same-origin", "none")

    def _knows(self, host: str) -> bool:
        found = NETLOC.fullmatch(host.lower())
        if found is None:
            return False
        name, port = found[1], found[2]
        if _is_loopback(name) or name.strip("[]") == self._bound:
            return True
        if self._any_host or (self._public and _is_number(name)):  # nobody can point a number elsewhere
            return True
        return bool({name, f"{name}:{port}"} & {*map(str.lower, self._hosts)})

    def _foreign(self, origin: str, headers: Headers) -> bool:
        """Whether an origin is another than this server. The scheme is left out: a proxy may end TLS."""
        forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip()
        own = self._own | {_bare(host) for host in (headers["host"], forwarded) if host}
        scheme, _, host = origin.partition("://")
        return scheme not in ("http", "https") or _bare(host) not in own

    def _dressed(self, message: Message) -> None:
        """Headers of every answer: it belongs to this origin alone, and is what its type says."""
        headers = MutableHeaders(scope=message)
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Content-Security-Policy"] = self._policy
        if not self._framed:  # within another site's page browsers send no strict cookie
            message["headers"] = [
                (name, _strict(value) if name.lower() == b"set-cookie" else value) for name, value in message["headers"]
            ]


class _Watch:
    """Counts the bytes of a request's body, and dresses its answer."""

    def __init__(self, receive: Receive, send: Send, most: int, dress: Callable[[Message], None]) -> None:
        self._receive, self._send, self._dress = receive, send, dress
        self.most, self.seen, self.status = most, 0, 0

    @property
    def too_large(self) -> bool:
        return self.seen > self.most

    @property
    def started(self) -> bool:
        return self.status != 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.seen += len(message.get("body", b""))
        if self.too_large:
            raise TooLarge(_too_large(self.most))
        return message

    async def send(self, message: Message) -> None:
        if not self.too_large or self.started:  # else the application says that it could not read the body
            await self.answer(message)

    async def answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._dress(message)
        await self._send(message)


def _refuse(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence, status, {"Connection": "close"} if status == 413 else None)


def _too_large(most: int) -> str:
    return f"The request is larger than the {most:,} bytes that are accepted here (maximum allowed size)."


def _content_type(headers: Headers) -> str:
    return headers.get("content-type", "").split(";")[0].strip().lower()


def _below(path: str, root: str) -> str:
    return path[len(root) :] if root and (path + "/").startswith(root.rstrip("/") + "/") else path


def _bare(netloc: str) -> str:
    """A host and port as browsers write them: without the port that goes without saying."""
    return re.sub(r":(80|443)$", "", netloc.lower())


def _strict(cookie: bytes) -> bytes:
    return re.sub(rb"(?i);\s*samesite=[^;]*", b"", cookie) + b"; SameSite=Strict"


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name.lower() == "localhost" or (_is_number(name) and ipaddress.ip_address(name.strip("[]")).is_loopback)


def _network(address: str) -> str:
    """An address as it counts for logins: the half that names a network where IPv6 gives each house 2^64 of them."""
    if _is_number(address) and ":" in address:
        return str(ipaddress.ip_network((address.split("%")[0], 64), strict=False))
    return address
