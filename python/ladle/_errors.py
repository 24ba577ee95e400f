"""What ladle raises: one class with status, place and byte, joined with the fitting built-in.

The extension calls :func:`from_core`. Classes are chosen by what a caller would catch: ``except
FileNotFoundError`` works, and so does ``except ladle.Error``.
"""

from __future__ import annotations

import errno
from typing import Any


class Error(Exception):
    """A call, a file or the system failed.

    Parameters
    ----------
    status : str
        Name of the library's status, such as ``"CORRUPT"``.
    where : str
        File, table, column and page at fault, such as ``"nano.root: Events/Muon_pt page 17"``.
    message : str
        What is wrong there.
    offset : int
        Byte in the file, or -1 where no byte is at fault.
    os_errno : int
        ``errno`` of the system call that failed, or 0.

    Attributes
    ----------
    status, where, message, offset, os_errno
        As given.
    """

    def __init__(
        self, status: str, where: str, message: str, offset: int = -1, os_errno: int = 0
    ) -> None:
        super().__init__(status, where, message, offset, os_errno)
        self.status = status
        self.where = where
        self.message = message
        self.offset = offset
        self.os_errno = os_errno

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} (at byte {self.offset})" if self.offset >= 0 else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status!r}, {str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (self.status, self.where, self.message, self.offset, self.os_errno)
        return type(self), arguments


class InvalidError(Error, ValueError):
    """The call was wrong (INVALID)."""


class NameMissingError(Error, KeyError):
    """No such table, column or key (NOT_FOUND); the message names the nearest."""


class BudgetError(Error, MemoryError):
    """No memory: the budget would be exceeded (BUDGET), or the system gave none (NOMEM)."""


class UnsupportedError(Error, NotImplementedError):
    """Valid, but not read by this version (UNSUPPORTED)."""


class FormatError(Error, ValueError):
    """The bytes of a file are at fault (CORRUPT, CHECKSUM, NOT_ROOT, LIMIT)."""


class ReadError(Error, OSError):
    """A read or write failed, or the file ends too early (IO, TRUNCATED, LOCKED)."""

    default_errno = errno.EIO

    def __init__(
        self, status: str, where: str, message: str, offset: int = -1, os_errno: int = 0
    ) -> None:
        super().__init__(status, where, message, offset, os_errno)
        # OSError has read the arguments as its own; these are what it should say.
        self.args = (status, where, message, offset, os_errno)
        self.errno = os_errno or self.default_errno
        self.strerror = message
        self.filename = where
        self.filename2 = None


class FileMissingError(ReadError, FileNotFoundError):
    """No such file (NOT_FOUND)."""

    default_errno = errno.ENOENT


class FileForbiddenError(ReadError, PermissionError):
    """The file may not be read (IO with EACCES or EPERM)."""

    default_errno = errno.EACCES


_CLASSES: dict[str, type[Error]] = {
    "INVALID": InvalidError,
    "NOMEM": BudgetError,
    "BUDGET": BudgetError,
    "IO": ReadError,
    "TRUNCATED": ReadError,
    "CORRUPT": FormatError,
    "CHECKSUM": FormatError,
    "UNSUPPORTED": UnsupportedError,
    "LIMIT": FormatError,
    "NOT_FOUND": NameMissingError,
    "LOCKED": ReadError,
    "NOT_ROOT": FormatError,
}


def from_core(
    status: str, where: str, message: str, offset: int, os_errno: int, of_file: bool
) -> Error:
    """Make the exception for an error of the C library.

    Parameters
    ----------
    status, where, message, offset, os_errno
        As in :class:`Error`.
    of_file : bool
        Whether it is about the file itself, so that NOT_FOUND is a missing file.

    Returns
    -------
    Error
        Of the class for the status; a plain :class:`Error` for CANCELLED.
    """
    made = _CLASSES.get(status, Error)
    if of_file and status == "NOT_FOUND":
        made = FileMissingError
    elif made is ReadError and os_errno in (errno.EACCES, errno.EPERM):
        made = FileForbiddenError
    return made(status, where, message, offset, os_errno)
