"""The cartoon of docs/memory.md: 24 kB are held where 16 kB would do."""

from __future__ import annotations

import random

import pytest

from tests.doctor.arena_model import FirstFit

KB = 1024


def textbook() -> FirstFit:
    """A, B and C of 4 kB fill an arena of 12 kB; B is freed."""
    heap = FirstFit(12 * KB)
    for name in "ABC":
        heap.malloc(name, 4 * KB)
    assert (heap.live, heap.held) == (12 * KB, 12 * KB)
    heap.free("B")
    assert (heap.live, heap.held, heap.holes) == (8 * KB, 12 * KB, [4 * KB])
    return heap


def test_a_larger_block_needs_a_second_arena() -> None:
    heap = textbook()
    heap.malloc("D", 8 * KB)
    assert len(heap.arenas) == 2
    assert heap.live == 16 * KB
    assert heap.held == 24 * KB
    assert heap.holes == [4 * KB, 4 * KB]


def test_a_block_of_the_same_size_fits_into_the_hole() -> None:
    heap = textbook()
    heap.malloc("D", 4 * KB)
    assert (heap.live, heap.held, heap.holes) == (12 * KB, 12 * KB, [])


def test_without_the_neighbour_the_larger_block_fits() -> None:
    heap = textbook()
    heap.free("C")
    heap.malloc("D", 8 * KB)
    assert (heap.live, heap.held, heap.holes) == (12 * KB, 12 * KB, [])


def test_one_small_block_holds_a_whole_arena() -> None:
    heap = textbook()
    heap.free("A")
    assert (heap.live, heap.held) == (4 * KB, 12 * KB)
    heap.free("C")
    assert (heap.live, heap.held) == (0, 0)


def test_calls_that_are_wrong() -> None:
    heap = textbook()
    with pytest.raises(KeyError, match="B"):
        heap.free("B")
    with pytest.raises(ValueError, match="D of 12289 bytes is larger than an arena of 12288"):
        heap.malloc("D", 12 * KB + 1)


def test_live_and_holes_are_all_that_is_held() -> None:
    rng = random.Random(1)
    heap = FirstFit(64 * KB)
    blocks: dict[str, int] = {}
    for i in range(3000):
        if blocks and rng.random() < 0.48:
            name = rng.choice(sorted(blocks))
            heap.free(name)
            del blocks[name]
        else:
            blocks[f"block {i}"] = rng.randrange(1, 16 * KB)
            heap.malloc(f"block {i}", blocks[f"block {i}"])
        assert heap.live == sum(blocks.values())
        assert heap.live + sum(heap.holes) == heap.held
