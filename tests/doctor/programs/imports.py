"""Import much, then work in steps that leave nothing behind."""

import asyncio  # noqa: F401
import email.mime.multipart  # noqa: F401
import sqlite3  # noqa: F401
import unittest.mock  # noqa: F401
import xml.dom.minidom  # noqa: F401

import numpy as np
import numpy.testing
import truth

table = np.arange(2_000_000, dtype=np.float64)
for step in range(120):
    part = np.sqrt(table[step * 1000 : step * 1000 + 500_000])
    words = [str(value) for value in part[:2000]]
    del part, words
    truth.pause()
truth.tell(live=table.nbytes)
