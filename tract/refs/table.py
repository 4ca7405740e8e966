"""Which names of refs cannot stand beside each other, told without looking at all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unicodedata import normalize

from tract.errors import RefNameError


def fold_name(name: str) -> str:
    """What a file system makes of a name that has no upper and lower case and takes the ways to write one character for the same."""
    if name.isascii():
        return name.lower()
    return normalize("NFC", normalize("NFD", normalize("NFD", name).casefold()))


class NameTable:
    """The names of refs as a file system sees them that has no upper and lower case, and no file that is a folder too.

    Each question, and each name that comes or goes, costs the length of the name, however many there are.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._under: dict[str, dict[str, None]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        folded = fold_name(name)
        self._names.setdefault(folded, {})[name] = None
        for folder in _folders(folded):
            self._under.setdefault(folder, {})[name] = None

    def remove(self, name: str) -> None:
        """Take *name* out, which need not be there."""
        folded = fold_name(name)
        for table, key in ((self._names, folded), *((self._under, folder) for folder in _folders(folded))):
            names = table.get(key, {})
            names.pop(name, None)
            if not names:
                table.pop(key, None)

    def check(self, name: str) -> None:
        """RefNameError where *name*, which may be in the table, cannot be beside another that is."""
        folded = fold_name(name)
        for other in self._names.get(folded, ()):
            if other != name:
                raise RefNameError(f"ref '{name}' differs from ref '{other}' in case or normalisation only")
        above = (self._names[folder] for folder in _folders(folded) if folder in self._names)
        for others in (*above, self._under.get(folded, {})):
            for other in others:
                raise RefNameError(f"ref '{name}' cannot be beside ref '{other}'")


def _folders(name: str) -> Iterator[str]:
    """``a`` and ``a/b`` of ``a/b/c``."""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
