"""Sizes in bytes, as people write them."""

from __future__ import annotations

import operator
import re

_SIZE = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kmgtpezy]i?b|b)\s*", re.I)
_PREFIXES = "KMGTPEZY"


def parse_nbytes(value: int | str, name: str = "nbytes") -> int:
    """Turn a number of bytes, or text such as ``"64 MB"``, into an int.

    Parameters
    ----------
    value : int or str
        As in uproot, ``kB``, ``MB``, ``GB`` ... are powers of 1000 and ``KiB``, ``MiB``, ``GiB``
        ... powers of 1024, in upper or lower case.
    name : str
        What messages call the argument.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    TypeError
        If the value is neither an int nor text.
    ValueError
        If the text is not a size, or the size is negative.
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError(f"{name} must be bytes or a size such as '64 MB', not {value!r}")
        number, unit = match.groups()
        base = 1024 if "i" in unit.lower() else 1000
        power = 0 if len(unit) == 1 else _PREFIXES.index(unit[0].upper()) + 1
        nbytes = int(float(number) * base**power)
    elif isinstance(value, bool):
        raise TypeError(f"{name} must be bytes or a size such as '64 MB', not {value!r}")
    else:
        try:
            nbytes = operator.index(value)
        except TypeError:
            raise TypeError(
                f"{name} must be bytes or a size such as '64 MB', not {value!r}"
            ) from None
    if nbytes < 0:
        raise ValueError(f"{name} must not be negative, not {value!r}")
    return nbytes


def format_nbytes(nbytes: int) -> str:
    """Write bytes with three digits and a decimal unit, such as ``"1.23 MB"``."""
    size = float(nbytes)
    unit = "B"
    for prefix in ("k", "M", "G", "T", "P"):
        if abs(size) < 999.5:
            break
        size /= 1000
        unit = f"{prefix}B"
    return f"{nbytes} B" if unit == "B" else f"{size:.3g} {unit}"
