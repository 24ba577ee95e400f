"""What a cache says of itself: true, complete, and harmless in a browser."""

import html.parser
import pickle

import numpy as np
import pytest

import ladle
from tests.python.caches import KINDS, make_cache

EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&amp;", "\ud800", "ä' b"]


class Checker(html.parser.HTMLParser):
    """Every tag is closed in order, none is a script, no attribute acts."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.text = []
        self.seen = set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.open.append(tag)
        for name, value in attributes:
            assert name in ("class", "style", "title", "colspan"), name
            if name == "style":
                assert "url" not in value

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def check(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    assert checker.seen <= {"style", "div", "b", "table", "tr", "th", "td", "span"}
    text.encode()
    return " ".join(checker.text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [None, 100_000])
def test_html(kind, budget):
    cache = make_cache(kind, budget)
    assert "0 buffers" in check(cache._repr_html_())
    for index, key in enumerate(EVIL):
        cache[key] = np.arange(1000 + index)
        for _ in range(index):
            cache[key]
    held = cache["&amp;"]
    info = cache.info()
    text = check(info._repr_html_())
    assert type(cache).__name__ in text
    for key in EVIL:
        if key in cache and info["entries"][list(cache).index(key)]["hits"]:
            assert key.encode("utf-8", "backslashreplace").decode() in text
    assert "hit" in text
    assert held.shape == (1002,)
    for level in info["levels"]:
        assert level["store"] in text


def test_bars_add_up():
    cache = ladle.CompressedBufferCache("1 MB")
    for index in range(5):
        cache[f"k{index}"] = np.random.default_rng(index).random(1000)
    held = cache["k0"]
    cache["k1"]
    info = cache.info()
    raw, compressed = info._segments()
    assert raw[0] >= held.nbytes
    assert raw[1] == 0
    assert sum(raw) == info["levels"][0]["nbytes"]
    assert compressed[0] == compressed[2] == 0
    assert compressed[1] == info["levels"][1]["nbytes"]


@pytest.mark.parametrize("kind", KINDS)
def test_texts(kind):
    cache = make_cache(kind, 1_000_000) if kind != "tiered" else make_cache(kind)
    cache["a"] = np.arange(1000).reshape(10, 100)
    cache["a"]
    cache.get("b")
    info = cache.info()
    text = repr(info)
    assert text.splitlines()[0] == f"{type(cache).__name__}: 1 buffer, 50.0 % of 2 look-ups hit"
    assert len(text.splitlines()) == 1 + len(info["levels"])
    assert repr(cache).startswith(f"<{type(cache).__name__} 1 buffer, ")
    assert dict(info)["stats"]["hits"] == 1
    assert info["entries"][0]["layout"] == "<i8|10,100"
    assert pickle.loads(pickle.dumps(info)) == info


def test_memory_lists_caches():
    before = len(ladle.memory.info()["caches"])
    one = ladle.CompressedBufferCache("1 MB")
    two = ladle.BufferCache()
    two["a"] = np.arange(1000)
    value = two["a"]
    listed = ladle.memory.info()["caches"][before:]
    assert [cache["class"] for cache in listed] == ["CompressedBufferCache", "BufferCache"]
    assert [level["store"] for level in listed[0]["levels"]] == ["raw", "compressed"]
    assert listed[1]["nbytes"] == listed[1]["pinned_nbytes"] >= value.nbytes
    assert listed[1]["disk_nbytes"] == 0
    text = repr(ladle.memory.info())
    assert len(text.splitlines()) == 15 + 3 + sum(
        len(cache["levels"]) for cache in ladle.memory.info()["caches"][:before]
    )
    assert "BufferCache" in text
    one.close()
    del two
    assert len(ladle.memory.info()["caches"]) == before
