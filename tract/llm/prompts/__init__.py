"""Prompts as text files with a version; a user's own files may replace them.

A prompt is ``<name>.txt``: its first line is ``# version: N``, the rest is the text.
``{{word}}`` in the text is a placeholder that ``Prompt.fill`` replaces.
"""

from __future__ import annotations

import re
from pathlib import Path

from tract.dataclass import dataclass
from tract.errors import LLMConfigError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"# version: ([1-9][0-9]{0,8})[ \t]*\r?\n")
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}")
_MOST = 1 << 20  # bytes: larger files are no prompts


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's text and version; ``is_own`` says that it is the user's, not tract's."""

    name: str
    version: int
    text: str
    is_own: bool = False

    @property
    def label(self) -> str:
        """The prompt's name in records: ``name@version``, with ``(own)`` behind a user's."""
        return f"{self.name}@{self.version}" + (" (own)" if self.is_own else "")

    def fill(self, **values: str) -> str:
        """The text with its placeholders replaced; text inside a value is never a placeholder."""

        def value_of(place: re.Match[str]) -> str:
            if place[1] not in values:
                raise LLMConfigError(f"prompt '{self.name}' has a placeholder that nothing fills: '{place[1]}'")
            return values[place[1]]

        return _PLACE.sub(value_of, self.text)


def load_prompt(name: str, folder: str | Path | None = None) -> Prompt:
    """The prompt *name*: the one in *folder* if there is one, else tract's own."""
    from importlib.resources import files  # loads tempfile and shutil, and most programs read no prompt

    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise LLMConfigError(f"no prompt can be named {name!r:.80}")
    if folder is not None:
        own = Path(folder) / f"{name}.txt"
        if own.is_file():
            return _read(name, _bytes_of(own), is_own=True)
    shipped = files("tract.llm.prompts") / f"{name}.txt"
    if not shipped.is_file():
        raise LLMConfigError(f"no prompt named '{name}'")
    return _read(name, shipped.read_bytes(), is_own=False)


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST + 1)
    except OSError as exc:
        raise LLMConfigError(f"prompt '{path}' cannot be read: {exc.strerror}") from exc


def _read(name: str, data: bytes, *, is_own: bool) -> Prompt:
    if len(data) > _MOST:
        raise LLMConfigError(f"prompt '{name}' is larger than {_MOST} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise LLMConfigError(f"prompt '{name}' is not UTF-8: byte {exc.start}") from exc
    head = _VERSION.match(text)
    if head is None:
        raise LLMConfigError(f"prompt '{name}' does not begin with a line '# version: N'")
    body = text[head.end() :].strip()
    if not body:
        raise LLMConfigError(f"prompt '{name}' is empty")
    return Prompt(name, int(head[1]), body, is_own)
