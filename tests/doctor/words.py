"""What the doctor calls things, as docs/memory.md has it: verdicts, and shares of RSS."""

VERDICTS = (
    "leak",
    "fragmentation",
    "retention",
    "garbage cycles",
    "levels off",
    "file pages",
    "no growth",
    "not enough evidence",
)

#: In their order in splits; they add up to what is resident.
SHARES = (
    "live",
    "garbage cycles",
    "rounding",
    "free, returnable",
    "free, pinned",
    "Python arenas",
    "file pages",
    "rest",
)
