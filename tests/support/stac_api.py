"""A STAC API on a loopback address: its search gives Items, two a page."""

from __future__ import annotations

import json
from typing import Any

from tests.support.http_server import Handler, HttpServer

PAGE = 2


class StacApi(HttpServer):
    """What it was asked is in ``asked``: the body of each request, or the number of its page."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items
        self.asked: list[Any] = []
        super().__init__(_Handler)
        self.url = f"{self.address}/v1"


class _Handler(Handler):
    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), 0)

    def do_GET(self) -> None:
        page = int(self.path.partition("page=")[2])
        self._answer(page, page)

    def _answer(self, asked: Any, page: int) -> None:
        api: StacApi = self.owner
        api.asked.append(asked)
        begin = page * PAGE
        links = []
        if begin + PAGE < len(api.items):
            links = [{"rel": "next", "method": "GET", "href": f"{api.url}/search?page={page + 1}"}]
        body = json.dumps(
            {"type": "FeatureCollection", "features": api.items[begin : begin + PAGE], "links": links}
        ).encode()
        self.answer(200, body, {"Content-Type": "application/geo+json"})
