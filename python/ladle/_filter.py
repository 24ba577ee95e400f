"""Which columns a caller means: `filter_name` as in uproot."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable

#: None, a name, a pattern, "/regex/flags", a function of the name, or several names and patterns.
NameFilter = None | str | Callable[[str], bool] | Iterable[str]

_REGEX = re.compile(r"/(.*)/([iLmsux]*)", re.S)


def kept_filter(filter_name: NameFilter) -> NameFilter:
    """Return a filter that can be read more than once, whatever iterable was given."""
    if filter_name is None or isinstance(filter_name, str) or callable(filter_name):
        return filter_name
    return list(filter_name)


def exact_names(filter_name: NameFilter) -> list[str]:
    """Return the names that are given in full, so that they must exist."""
    if filter_name is None or callable(filter_name):
        return []
    given = [filter_name] if isinstance(filter_name, str) else list(filter_name)
    return [name for name in given if isinstance(name, str) and _is_exact(name)]


def name_test(filter_name: NameFilter) -> Callable[[str], bool]:
    """Turn a filter into a function that tells whether it selects a name.

    Parameters
    ----------
    filter_name : None, str, callable, or iterable of str
        ``None`` selects all. Text is a regular expression if it is ``"/.../"`` with flags of ``re``
        behind it (it must match from the start of the name), a pattern if it has ``*``, ``?`` or
        ``[``, else a name. An iterable selects what any of its members selects.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If the regular expression is wrong.
    """
    if filter_name is None:
        return _any_name
    if isinstance(filter_name, str):
        return _text_test(filter_name)
    if callable(filter_name):
        return filter_name
    if isinstance(filter_name, Iterable) and not isinstance(filter_name, bytes):
        tests = [name_test(each) for each in filter_name]
        return lambda name: any(test(name) for test in tests)
    raise TypeError(
        "filter_name must be None, a name, a pattern, a regular expression between slashes, a "
        f"function, or a list of these, not {filter_name!r}"
    )


def _any_name(name: str) -> bool:  # noqa: ARG001
    return True


def _is_exact(text: str) -> bool:
    return _REGEX.fullmatch(text) is None and not any(letter in text for letter in "*?[")


def _text_test(text: str) -> Callable[[str], bool]:
    match = _REGEX.fullmatch(text)
    if match is not None:
        pattern, flags = match.groups()
        try:
            # "L" (locale) is one of uproot's letters, but means nothing for text.
            expression = re.compile(pattern, _regex_flags(flags))
        except re.error as error:
            raise ValueError(f"filter_name {text!r} is no regular expression: {error}") from None
        return lambda name: expression.match(name) is not None
    if _is_exact(text):
        return lambda name: name == text
    return lambda name: fnmatch.fnmatchcase(name, text)


def _regex_flags(letters: str) -> re.RegexFlag:
    flags = re.RegexFlag(0)
    for letter in letters:
        if letter != "L":
            flags |= re.RegexFlag[letter.upper()]
    return flags
