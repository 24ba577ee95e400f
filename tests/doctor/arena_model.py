"""A model of an allocator: arenas of one size, first fit, neighbours that are free are joined.

docs/memory.md tells with its numbers how memory can be held that nobody uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Arena:
    """One arena: its blocks and holes in order of address, as (name or None for a hole, bytes)."""

    nbytes: int
    pieces: list[tuple[str | None, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.pieces = [(None, self.nbytes)]

    def place(self, name: str, nbytes: int) -> bool:
        """Put a block into the first hole that has room for it."""
        for i, (owner, room) in enumerate(self.pieces):
            if owner is None and room >= nbytes:
                left = [(None, room - nbytes)] if room > nbytes else []
                self.pieces[i : i + 1] = [(name, nbytes), *left]
                return True
        return False

    def drop(self, name: str) -> bool:
        """Make a block a hole, one with the holes beside it."""
        if all(owner != name for owner, _ in self.pieces):
            return False
        joined: list[tuple[str | None, int]] = []
        for owner, nbytes in self.pieces:
            hole = owner is None or owner == name
            if hole and joined and joined[-1][0] is None:
                joined[-1] = (None, joined[-1][1] + nbytes)
            else:
                joined.append((None if hole else owner, nbytes))
        self.pieces = joined
        return True

    @property
    def is_empty(self) -> bool:
        """Whether no block is left."""
        return all(owner is None for owner, _ in self.pieces)


class FirstFit:
    """An allocator: ``malloc`` and ``free`` of named blocks; what is live, held and in holes.

    Parameters
    ----------
    arena_nbytes : int
        What is asked of the system at once. An arena goes back when it is empty.
    """

    def __init__(self, arena_nbytes: int) -> None:
        self.arena_nbytes = arena_nbytes
        self.arenas: list[Arena] = []

    def malloc(self, name: str, nbytes: int) -> None:
        """Allocate a block; in a new arena where no hole is large enough.

        Raises
        ------
        ValueError
            If the block is larger than an arena.
        """
        if nbytes > self.arena_nbytes:
            raise ValueError(
                f"{name} of {nbytes} bytes is larger than an arena of {self.arena_nbytes}"
            )
        if not any(arena.place(name, nbytes) for arena in self.arenas):
            self.arenas.append(Arena(self.arena_nbytes))
            self.arenas[-1].place(name, nbytes)

    def free(self, name: str) -> None:
        """Free a block.

        Raises
        ------
        KeyError
            If there is no such block.
        """
        if not any(arena.drop(name) for arena in self.arenas):
            raise KeyError(name)
        self.arenas = [arena for arena in self.arenas if not arena.is_empty]

    @property
    def live(self) -> int:
        """Bytes of blocks."""
        return sum(nbytes for arena in self.arenas for owner, nbytes in arena.pieces if owner)

    @property
    def held(self) -> int:
        """Bytes of arenas: what the system sees."""
        return sum(arena.nbytes for arena in self.arenas)

    @property
    def holes(self) -> list[int]:
        """Bytes of each hole, in order of address."""
        return [nbytes for arena in self.arenas for owner, nbytes in arena.pieces if owner is None]
