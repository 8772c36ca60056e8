"""What the operating system says of a file or folder, as a sentence that says what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Literal

Use = Literal["read", "write to", "use"]

_DONE: dict[Use, str] = {"read": "read", "write to": "written to", "use": "used"}

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
    lower = place[:1].lower() + place[1:]
    match number:
        case errno.ENOSPC:
            return "The disk is full."
        case errno.EDQUOT:
            return "The disk quota is used up."
        case errno.EFBIG:
            return "The file would be larger than its file system or a limit of this process allows."
        case errno.EROFS:
            return f"{place} is on a file system that nobody may write to."
        case errno.EACCES | errno.EPERM:
            return f"This user may not {use} {lower}."
        case errno.ENOENT:
            return f"{place} is not there."
        case errno.ENOTDIR:
            return f"{place} is below a file, and not below a folder."
        case errno.EISDIR:
            return f"{place} is a folder, and not a file."
        case errno.EEXIST:
            return f"{place} cannot be made: something of that name is there."
        case errno.ENOTEMPTY:
            return f"{place} is not empty."
        case errno.ENAMETOOLONG:
            return f"{place} has a name that is too long for its file system."
        case errno.ELOOP:
            return f"{place} is a link that leads to itself."
        case errno.EMFILE | errno.ENFILE:
            return "Too many files are open; raise the limit with 'ulimit -n'."
        case errno.EBUSY | errno.ETXTBSY:
            return f"{place} is in use by another program."
        case errno.EIO:
            return f"The disk failed, or what connects it, at {lower}."
        case errno.ESTALE | errno.ETIMEDOUT | errno.EHOSTDOWN:
            return f"The file server of {lower} does not answer."
    return f"{place} cannot be {_DONE[use]}."


def refusal(folder: Path) -> OSError | None:
    """Return why no file can be made in a folder, None where one can: tried, because rights do not tell it."""
    try:
        handle, name = tempfile.mkstemp(prefix=".part-", dir=folder)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        return error
    return None


def why_not(folder: Path, error: OSError) -> str:
    """Return the sentence for a folder in which `refusal` found that no file can be made."""
    if error.errno == errno.ENOENT and folder.is_dir():  # /proc and the like
        return "The target folder takes no files."
    return sentence(error.errno, place="The target folder")


def number_in(text: str) -> int | None:
    """Return the number of the error that a library's text tells of, of those that concern whatever is written."""
    return next((number for number in _OF_WRITES if os.strerror(number) in text), None)
