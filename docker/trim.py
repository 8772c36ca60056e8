"""Makes installed packages small: removes what a running service never opens.

    python docker/trim.py SITE_PACKAGES [--strip] [--sourceless]

Removed are tests, type stubs, C sources and headers, the codecs of imagecodecs that nobody here calls, and the shared
libraries that nothing needs any more. Texts of licences stay, as most of them ask for. ``--strip`` takes the symbols
out of libraries, whatever processor they are for.
``--sourceless`` keeps compiled modules in the place of their sources: for a Lambda package, where every
megabyte is a part of the cold start. Used by the image and by the Lambda package; standard library only.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

CODECS = frozenset(
    {"_shared", "_shared_cython", "_imcd", "_deflate", "_zlib", "_zstd", "_lzma", "_webp", "_jpeg8", "_lerc"}
)
"""Modules of imagecodecs that stay: what ``tilery/reading/tiff/codecs.py`` and ``app/rendering/encoding`` call. A test
holds this list to their calls."""

FOLDERS = ("tests", "test", "testing/data", "_examples", "examples")
"""Folders that go, wherever they are, unless a package imports them while it runs."""
IMPORTED = ("numpy/testing", "fastapi/testing", "numpy/_pytesttester")
SUFFIXES = frozenset({".pyi", ".pxd", ".pyx", ".pxi", ".c", ".cc", ".cpp", ".h", ".hpp", ".a", ".f90", ".src", ".map"})
PARTS = (
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/f2py",
    "numpy/random/lib",
    "numpy/distutils",
    "numpy/doc",
    "pip",
    "setuptools",
    "_distutils_hack",
    "imagecodecs/numcodecs.py",
)
"""What goes by name: what builds extensions, and installers."""


SEGMENT = "<IIQQQQQQ"
"""An entry of the program header: type, flags, offset, virtual, physical address, sizes in file and memory, align."""


def unwanted(site: Path) -> Iterator[Path]:
    """Yield files and folders of ``site-packages`` that a running service never opens."""
    for part in PARTS:
        if (site / part).exists():
            yield site / part
    for name in FOLDERS:
        yield from (found for found in site.rglob(name) if found.is_dir() and _is_package_data(site, found))
    yield from (found for found in site.rglob("*") if found.suffix in SUFFIXES and found.is_file())
    for module in (site / "imagecodecs").glob("_*.so"):
        if module.name.partition(".")[0] not in CODECS:
            yield module


def _is_package_data(site: Path, folder: Path) -> bool:
    inside = folder.relative_to(site).as_posix()
    return not any(inside.startswith(name) for name in IMPORTED) and ".dist-info" not in inside


def orphans(site: Path) -> list[Path]:
    """Shared libraries in the ``*.libs`` folders that no extension module needs, neither itself nor through another."""
    libraries = {path.name: path for folder in site.glob("*.libs") for path in folder.iterdir() if ".so" in path.name}
    modules = (path for path in site.rglob("*.so*") if path.name not in libraries and path.is_file())
    wanted: set[str] = set()
    waiting = [name for module in modules for name in needed(module)]
    while waiting:
        name = waiting.pop()
        if name in libraries and name not in wanted:
            wanted.add(name)
            waiting += needed(libraries[name])
    return [path for name, path in sorted(libraries.items()) if name not in wanted]


def needed(path: Path) -> list[str]:
    """Return names of the shared libraries that an ELF file asks for (DT_NEEDED); empty for any other file.

    Source: System V ABI, chapters 4 and 5; 64 bit and little endian, as x86-64 and AArch64 are.
    """
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    start, size, count = struct.unpack_from("<Q", data, 0x20)[0], *struct.unpack_from("<HH", data, 0x36)
    segments = [struct.unpack_from("<IIQQQQ", data, start + number * size) for number in range(count)]
    dynamic = next(((offset, length) for kind, _, offset, _, _, length in segments if kind == 2), None)
    if dynamic is None:
        return []
    entries = [struct.unpack_from("<qQ", data, at) for at in range(dynamic[0], sum(dynamic), 16)]
    table = next((value for tag, value in entries if tag == 5), 0)  # address of the names; segments say where it is
    base = next(offset + table - address for kind, _, offset, address, _, length in segments
                if kind == 1 and address <= table < address + length)  # fmt: skip
    return [_name(data, base + value) for tag, value in entries if tag == 1]


def _name(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def remove(paths: Iterable[Path]) -> int:
    """Return bytes that removing these files and folders gave back."""
    total = 0
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            total += size(path)
            shutil.rmtree(path)
        elif path.exists():
            total += path.stat().st_size
            path.unlink()
    return total


def size(folder: Path) -> int:
    """Return bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def strip_symbols(site: Path) -> None:
    """Leave of every library what is loaded of it."""
    for path in site.rglob("*.so*"):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(loaded(path.read_bytes()))


def loaded(data: bytes) -> bytes:
    """Return a library without what no loader reads: symbol tables, debugging, the list of sections.

    The segments are moved together; they know places in memory only, so nothing inside of them changes. A ``strip``
    would have to be that of the library's processor, and some of the libraries in wheels do not survive it: GNU's
    breaks OpenBLAS, LLVM's those that auditwheel has changed. What is laid out as nobody would expect stays as it is.

    Source: System V ABI, chapters 4 and 5: ``p_vaddr`` and ``p_offset`` are congruent modulo ``p_align``.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        return data
    start, size, count = struct.unpack_from("<Q", data, 0x20)[0], *struct.unpack_from("<HH", data, 0x36)
    headers = [list(struct.unpack_from(SEGMENT, data, start + number * size)) for number in range(count)]
    moved: list[tuple[int, int, int]] = []  # where a segment was, where that ended, where it is now
    made = bytearray()
    for _, _, offset, address, _, length, _, align in sorted(
        (h for h in headers if h[0] == 1), key=lambda h: int(h[2])
    ):
        if moved and offset < moved[-1][1]:
            return data
        made += bytes((address - len(made)) % max(align, 1))
        moved.append((offset, offset + length, len(made)))
        made += data[offset : offset + length]

    def place(offset: int, length: int) -> int | None:
        """Return where bytes of the file are now."""
        return next((now + offset - was for was, end, now in moved if was <= offset and offset + length <= end), None)

    table = place(start, size * count)
    if table is None or moved[0][0] or len(made) >= len(data):
        return data
    for number, header in enumerate(headers):
        offset, length = header[2], header[5]
        now = place(offset, length) if length else offset
        if now is None:
            return data
        header[2] = now
        struct.pack_into(SEGMENT, made, table + number * size, *header)
    struct.pack_into("<QQ", made, 0x20, table, 0)
    struct.pack_into("<HHH", made, 0x3A, 0, 0, 0)
    return bytes(made)


def compile_in_place(site: Path, shown_as: str | None = None) -> None:
    """Compiled modules where their sources were; tracebacks name them as files of ``shown_as``."""
    stripped = None if shown_as is None else str(site)
    compileall.compile_dir(site, quiet=2, legacy=True, optimize=1, workers=0, stripdir=stripped, prependdir=shown_as)
    for cache in list(site.rglob("__pycache__")):
        shutil.rmtree(cache)
    for source in list(site.rglob("*.py")):
        if source.with_suffix(".pyc").exists():
            source.unlink()


def main() -> None:
    """Trim, and say what that gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("--strip", action="store_true")
    parser.add_argument("--sourceless", action="store_true")
    parser.add_argument("--shown-as", metavar="FOLDER", help="where compiled modules will say that they are")
    arguments = parser.parse_args()
    before = size(arguments.site)
    remove(unwanted(arguments.site))
    remove(orphans(arguments.site))
    if arguments.strip:
        strip_symbols(arguments.site)
    if arguments.sourceless:
        compile_in_place(arguments.site, arguments.shown_as)
    sys.stdout.write(f"{arguments.site}: {before / 1e6:.0f} MB, now {size(arguments.site) / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main()
