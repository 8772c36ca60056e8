"""An HTTP store of a folder with ranges and a latency, as an object store a region away has it.

Run by itself: ``python -m bench.store FOLDER PORT SECONDS``. ``/_requests`` answers how many requests for files there
were since it was last asked, and how many bytes they took.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import uvloop

BYTES_PER_SECOND = 80_000_000
"""Of one connection."""
CHUNK = 256 * 1024
RANGE = re.compile(rb"\r\nrange:\s*bytes=(\d+)-(\d*)", re.IGNORECASE)


class Store:
    """Files of one folder, read only, with the counts since they were last asked for."""

    def __init__(self, folder: Path, latency: float) -> None:
        self.latency = latency
        self.files = {f"/{path.name}".encode(): path for path in folder.glob("*.tif")}
        self.counts = {"GET": 0, "HEAD": 0, "bytes": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection until it is closed."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(b" ", 2)
        if target == b"/_requests":
            body = json.dumps(self.counts).encode()
            self.counts = dict.fromkeys(self.counts, 0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        self.counts["HEAD" if method == b"HEAD" else "GET"] += 1
        await asyncio.sleep(self.latency)
        path = self.files.get(target.split(b"?")[0])
        if path is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        status = path.stat()
        wanted = RANGE.search(head)
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2]), status.st_size - 1) if wanted and wanted[2] else status.st_size - 1
        if first > last:
            writer.write(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")
            return
        lines = [
            "HTTP/1.1 206 Partial Content" if wanted else "HTTP/1.1 200 OK",
            f"Content-Length: {last - first + 1}",
            "Accept-Ranges: bytes",
            "Content-Type: image/tiff",
            f'ETag: "{status.st_mtime_ns:x}-{status.st_size:x}"',
            f"Last-Modified: {formatdate(status.st_mtime, usegmt=True)}",
        ]
        if wanted:
            lines.append(f"Content-Range: bytes {first}-{last}/{status.st_size}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if method != b"HEAD":
            await self._send(path, first, last, writer)

    async def _send(self, path: Path, first: int, last: int, writer: asyncio.StreamWriter) -> None:
        self.counts["bytes"] += last - first + 1
        handle = os.open(path, os.O_RDONLY)
        try:
            for start in range(first, last + 1, CHUNK):
                data = os.pread(handle, min(CHUNK, last + 1 - start), start)
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(len(data) / BYTES_PER_SECOND)
        finally:
            os.close(handle)


async def main(folder: Path, port: int, latency: float, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until stopped."""
    server = await asyncio.start_server(Store(folder, latency).serve, "127.0.0.1", port)
    ready()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
