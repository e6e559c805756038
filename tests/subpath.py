"""A tiny reverse proxy that serves another server under a sub-path, as those in front of Spaces and intranets do; and a
server of files."""

import http.client
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = ("connection", "transfer-encoding", "keep-alive", "host")


class SubPath:
    """Serves `target` below `prefix`, and nothing else; everything streams."""

    def __init__(self, target, prefix):
        self.outside = []  # addresses asked for that are not below the prefix
        kind = handler(urlsplit(target).netloc, prefix, self.outside)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{prefix}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def handler(netloc, prefix, outside):
    class Handler(BaseHTTPRequestHandler):
        def pass_on(self):
            if not self.path.startswith(prefix + "/"):
                outside.append(self.path)
                return self.send_error(404, "outside the sub-path")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            headers |= {"Host": self.headers["host"], "X-Forwarded-Host": self.headers["host"]}
            behind = http.client.HTTPConnection(netloc, timeout=600)
            behind.request(self.command, self.path.removeprefix(prefix), body or None, headers)
            answer = behind.getresponse()
            self.send_response(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                while part := answer.read1(65536):
                    self.wfile.write(part)
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                pass  # the browser has seen enough
            finally:
                behind.close()

        do_GET = do_POST = do_HEAD = pass_on  # noqa: N815

        def log_message(self, *args):
            pass

    return Handler


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *args):
        pass


@contextmanager
def served(folder, kind=Quiet):
    """The port at which a folder is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
