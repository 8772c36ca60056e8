"""Makes the zip of the Lambda function: packages for its processor and its Python, trimmed, and the application.

    python docker/lambda_zip.py --architecture arm64 --python 3.13 --to build/package.zip

Runs on any machine: packages come as manylinux wheels of exactly the lock's hashes, nothing is built; our own compiled
kernels (``tilery/kernels``) go in where they are here for that processor, else NumPy does their work. With a Python of
the function's version at hand (this one, or ``python3.13`` on the path) modules are compiled, which spares each cold
start the work; without one the zip has sources, and says so. The same inputs give the same bytes: names are sorted,
times are fixed, no path of this machine is inside.

``libexpat.so.1`` goes into the zip: rasterio's wheels take it from the system, and Lambda's has none. That of a current
Debian asks for a newer C library than Amazon Linux 2023 has (glibc 2.34), so it comes from Debian 11, by its hash.

Used by ``make lambda-zip`` and by ``docker/lambda.Dockerfile``. Standard library and pip.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
LOCK = ROOT / "requirements" / "lambda.txt"
MOST = 250 << 20
"""Bytes that Lambda takes unzipped: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
GLIBC = (17, 34)
"""Second numbers of the glibc that wheels may be built for: from manylinux2014 to Amazon Linux 2023."""
TASK = "/var/task"
"""Where Lambda unpacks it."""
EPOCH = "315532800"
"""The first moment that a zip can name, 1980-01-01."""
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}

EXPAT = {
    "x86_64": (
        "debian-security/pool/updates/main/e/expat/libexpat1_2.2.10-2+deb11u7_amd64.deb",
        "2222da786f50af548dbd4080aaa72c91d79dd29911d76e077a0a2ceaf08a057d",
    ),
    "arm64": (
        "debian/pool/main/e/expat/libexpat1_2.2.10-2+deb11u5_arm64.deb",
        "8d20bfd061845bda0321d01accd6f8386ead5b1d7250a585d12b8d5fb1408ffa",
    ),
}
"""The newest that Debian still hands out for each processor, by path and SHA-256."""
DEBIAN = ("http://deb.debian.org", "http://archive.debian.org")
"""Where Debian keeps them, now and once Debian 11 has moved to the archive. The hash makes both the same."""


def main() -> None:
    """Make the zip, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", choices=tuple(MACHINES), default="x86_64")
    parser.add_argument("--python", default="3.13", help="Lambda's version of Python")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "package.zip")
    parser.add_argument("--folder", type=Path, help="leave what is zipped in this folder too")
    parser.add_argument("--sources", action="store_true", help="do not compile modules")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        task = arguments.folder or Path(scratch, "task")
        shutil.rmtree(task, ignore_errors=True)
        install(task, Path(scratch), arguments.architecture, arguments.python)
        add_expat(task, arguments.architecture)
        interpreter = None if arguments.sources else python_of(arguments.python)
        trim(task)
        add_application(task, arguments.architecture)
        if interpreter:
            compile_modules(task, interpreter)
        size = sum(path.stat().st_size for path in task.rglob("*") if path.is_file())
        if size >= MOST:
            raise SystemExit(f"{size / 1e6:.0f} MB unzipped is more than Lambda takes, which is {MOST / 1e6:.0f} MB.")
        pack(task, arguments.to)
    kind = "compiled" if interpreter else f"sources only: no Python {arguments.python} is here to compile them"
    said = f"{arguments.to.stat().st_size / 1e6:.1f} MB, {size / 1e6:.0f} MB unzipped"
    sys.stdout.write(f"{arguments.to}: {said}, {arguments.architecture}, Python {arguments.python}, {kind}\n")


def install(task: Path, scratch: Path, architecture: str, python: str) -> None:
    """Put the lock's packages for that processor and that Python into a folder."""
    wanted = scratch / "requirements.txt"
    wanted.write_text("\n".join(requirements(LOCK.read_text(encoding="utf-8"), architecture, python)), encoding="utf-8")
    machine = MACHINES[architecture]
    tags = [f"manylinux_2_{number}_{machine}" for number in range(GLIBC[1], GLIBC[0] - 1, -1)]
    tags.append(f"manylinux2014_{machine}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--root-user-action=ignore", "--no-warn-conflicts", "--only-binary", ":all:", "--require-hashes"]
    # what a package says of Python would be held against the one that runs pip; the lock has asked already
    command += [
        "--ignore-requires-python",
        "--no-deps",
        "--target",
        str(task),
        "--implementation",
        "cp",
        "--python-version",
        python,
    ]
    command += [word for tag in tags for word in ("--platform", tag)]
    # our own interpreter, and names from the lock
    subprocess.run([*command, "-r", str(wanted)], check=True)  # noqa: S603
    for name in ("bin", "include", "share"):  # scripts, with this machine's path in their first line
        shutil.rmtree(task / name, ignore_errors=True)


def requirements(lock: str, architecture: str, python: str) -> Iterator[str]:
    """Yield the lock's lines that hold for that processor and that Python, without their conditions.

    pip would hold the conditions against the Python that runs it.
    """
    from pip._vendor.packaging.markers import Marker

    there = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": MACHINES[architecture],
        "extra": "",
    }
    kept = True
    for line in lock.splitlines():
        if line.startswith((" ", "#")) or not line:
            if kept and line.strip().startswith("--hash"):
                yield line
            continue
        pin, semicolon, condition = line.rstrip("\\ ").partition(";")
        kept = not semicolon or Marker(condition.strip()).evaluate(there)
        if kept:
            yield f"{pin.strip()} \\"


def add_expat(task: Path, architecture: str) -> None:
    """Put the XML parser where GDAL looks for it first: beside itself."""
    archive = download(*EXPAT[architecture])
    with tarfile.open(fileobj=io.BytesIO(member(archive, "data.tar.xz"))) as files:
        found = max((entry for entry in files if entry.isfile() and "/libexpat.so.1" in entry.name), key=str)
        content = files.extractfile(found)
        if content is None:
            raise SystemExit("The package of libexpat has no library in it.")
        (task / "rasterio.libs" / "libexpat.so.1").write_bytes(content.read())


def download(path: str, digest: str) -> bytes:
    """Return a file of Debian's, from wherever it is now; kept for the next time."""
    kept = ROOT / ".cache" / Path(path).name
    if kept.exists() and hashlib.sha256(kept.read_bytes()).hexdigest() == digest:
        return kept.read_bytes()
    for place in DEBIAN:
        try:
            with urllib.request.urlopen(f"{place}/{path}", timeout=60) as answer:  # noqa: S310 - the addresses above
                body: bytes = answer.read(10 << 20)
        except (urllib.error.URLError, OSError):
            continue
        if hashlib.sha256(body).hexdigest() == digest:
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(body)
            return body
    raise SystemExit(f"{kept.name} was found nowhere at Debian's with the hash that it should have.")


def member(archive: bytes, name: str) -> bytes:
    """Return one file of an ``ar`` archive, which a Debian package is."""
    place = 8
    while place < len(archive):
        size = int(archive[place + 48 : place + 58])
        if archive[place : place + 16].decode().strip().rstrip("/") == name:
            return archive[place + 60 : place + 60 + size]
        place += 60 + size + size % 2
    raise SystemExit(f"The package of libexpat has no {name}.")


def trim(task: Path) -> None:
    """Take out what a running service never opens, and symbols."""
    command = [sys.executable, str(HERE / "trim.py"), str(task), "--strip"]
    subprocess.run(command, check=True)  # noqa: S603 - our own script


def add_application(task: Path, architecture: str) -> None:
    """Put the application in, the scripts of its pages, and the compiled kernels if they are for the processor."""
    unwanted = shutil.ignore_patterns("__pycache__", ".made", "src")
    for package in ("app", "tilery"):
        shutil.copytree(ROOT / package, task / package, ignore=unwanted)
    for path in (task / "tilery" / "kernels").glob("*.so"):
        if machine_of(path) != architecture:
            path.unlink()
            sys.stderr.write(f"No kernels are compiled here for {architecture}: the zip does their work in NumPy.\n")


def machine_of(path: Path) -> str | None:
    """Return the processor that an ELF file is for, by the name that Lambda has for it."""
    head = path.read_bytes()[:20]
    return {62: "x86_64", 183: "arm64"}.get(struct.unpack_from("<H", head, 18)[0]) if head[:4] == b"\x7fELF" else None


def python_of(version: str) -> str | None:
    """Return a Python of that version: this one, or one on the path."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    kept = Path.home() / ".pyenv" / "versions"
    installed = sorted(kept.glob(f"{version}.*/bin/python{version}"))
    candidates = [shutil.which(f"python{version}"), *map(str, installed)]
    for found in candidates:
        # a shim may stand for a version that is not chosen
        if found and not subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode:  # noqa: S603
            return found
    return None


def compile_modules(task: Path, interpreter: str) -> None:
    """Compiled modules in the place of their sources, by a Python of the function's version."""
    command = [interpreter, str(HERE / "trim.py"), str(task), "--sourceless", "--shown-as", TASK]
    subprocess.run(command, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH})  # noqa: S603 - our own script


def pack(task: Path, to: Path) -> None:
    """Zip a folder: sorted, with one time and one mode for all, so that the same content is the same bytes."""
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target:
        for path in sorted(task.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(task).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system, entry.external_attr = 3, (0o755 if ".so" in path.name else 0o644) << 16
                target.writestr(entry, path.read_bytes())
    part.replace(to)


if __name__ == "__main__":
    main()
