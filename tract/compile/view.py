"""A view of the first items of a list that may go on growing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

_T = TypeVar("_T")


class View(Sequence[_T], Generic[_T]):
    """The first *length* items of a list that may go on growing; read-only, and O(1) to make."""

    __slots__ = ("_convert", "_items", "_length")

    def __init__(self, items: Sequence[Any], length: int, convert: Callable[[Any], _T] | None = None) -> None:
        self._items = items
        self._length = length
        self._convert = convert

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> _T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[_T]: ...

    def __getitem__(self, at: int | slice) -> _T | Sequence[_T]:
        if isinstance(at, slice):
            return [self._one(self._items[row]) for row in range(self._length)[at]]
        if at < 0:
            at += self._length
        if not 0 <= at < self._length:
            raise IndexError(f"index out of range: {at} of {self._length}")
        return self._one(self._items[at])

    def __iter__(self) -> Iterator[_T]:
        for at in range(self._length):
            yield self._one(self._items[at])

    def _one(self, item: Any) -> _T:
        return item if self._convert is None else self._convert(item)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (View, list, tuple)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a view is compared by its items, which may not be hashable

    def __repr__(self) -> str:
        shown = ", ".join(repr(item) for item in self[:3])
        return f"[{shown}{', …' if self._length > 3 else ''}] ({self._length})"
