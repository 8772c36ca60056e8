"""What the operating system says of a file or folder, as a sentence that says what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Literal

Use = Literal["read", "write to", "use"]

_DONE: dict[Use, str] = {"read": "read", "write to": "written to", "use": "used"}

_MAY_NOT = "This user may not {use} {place}."
_MANY = "Too many files are open; raise the limit with 'ulimit -n'."
_IN_USE = "{Place} is in use by another program."
_SILENT = "The file server of {place} does not answer."
_SENTENCES: dict[int, str] = {
    errno.ENOSPC: "The disk is full.",
    errno.EDQUOT: "The disk quota is used up.",
    errno.EFBIG: "The file would be larger than its file system or a limit of this process allows.",
    errno.EROFS: "{Place} is on a file system that nobody may write to.",
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.ENOENT: "{Place} is not there.",
    errno.ENOTDIR: "{Place} is below a file, and not below a folder.",
    errno.EISDIR: "{Place} is a folder, and not a file.",
    errno.EEXIST: "{Place} cannot be made: something of that name is there.",
    errno.ENOTEMPTY: "{Place} is not empty.",
    errno.ENAMETOOLONG: "{Place} has a name that is too long for its file system.",
    errno.ELOOP: "{Place} is a link that leads to itself.",
    errno.ENOMEM: "Memory ran out.",
    errno.EMFILE: _MANY,
    errno.ENFILE: _MANY,
    errno.EBUSY: _IN_USE,
    errno.ETXTBSY: _IN_USE,
    errno.EIO: "The disk failed, or what connects it, at {place}.",
    errno.ESTALE: _SILENT,
    errno.ETIMEDOUT: _SILENT,
    errno.EHOSTDOWN: _SILENT,
}

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of errors that mean that no room is left."""
_OF_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Numbers of errors that only a disk that is written to has, or that mean the same for both."""


def sentence(number: int | None, *, place: str, use: Use = "write to") -> str:
    """Return what an error of the operating system means for a user.

    Args:
        number: of `errno`; None: it is not known.
        place: what was to be read or written, as a sentence begins with it: ``The target folder``.
        use: what was to be done with it.
    """
    text = _SENTENCES.get(number or 0, "{Place} cannot be {done}.")
    return text.format(Place=place, place=place[:1].lower() + place[1:], use=use, done=_DONE[use])


def refusal(folder: Path) -> OSError | None:
    """Return why no file can be made in a folder, None where one can: tried, because rights do not tell it."""
    try:
        handle, name = tempfile.mkstemp(prefix=".part-", dir=folder)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        return error
    return None


def why_not(folder: Path, error: OSError, *, place: str = "The target folder") -> str:
    """Return the sentence for a folder in which `refusal` found that no file can be made; ``place`` is what it is."""
    if error.errno == errno.ENOENT and folder.is_dir():  # /proc and the like
        return f"{place} takes no files."
    return sentence(error.errno, place=place)


def number_in(text: str) -> int | None:
    """Return the number of the error that a library's text tells of, of those that concern whatever is written."""
    return next((number for number in _OF_WRITES if os.strerror(number) in text), None)
