"""How long random tests go on: a little in every run, ten times as long with LADLE_THOROUGH=1."""

import os

from hypothesis import settings

FACTOR = 10 if os.environ.get("LADLE_THOROUGH") == "1" else 1


def examples(n: int, **others: object) -> settings:
    """Return settings for `n` examples, each of which may take its time."""
    return settings(max_examples=FACTOR * n, deadline=None, **others)
