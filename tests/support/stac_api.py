"""A STAC API on a loopback address: its search gives Items, two a page."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

PAGE = 2


class StacApi:
    """What it was asked is in ``asked``: the body of each request, or the number of its page."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items
        self.asked: list[Any] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    api: StacApi


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), 0)

    def do_GET(self) -> None:
        page = int(self.path.partition("page=")[2])
        self._answer(page, page)

    def _answer(self, asked: Any, page: int) -> None:
        api = cast("_Server", self.server).api
        api.asked.append(asked)
        begin = page * PAGE
        links = []
        if begin + PAGE < len(api.items):
            links = [{"rel": "next", "method": "GET", "href": f"{api.url}/search?page={page + 1}"}]
        body = json.dumps(
            {"type": "FeatureCollection", "features": api.items[begin : begin + PAGE], "links": links}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/geo+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
