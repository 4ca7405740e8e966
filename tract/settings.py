"""The settings of a tract: the file ``config.toml``, which people may edit; docs/format.md lists its keys."""

from __future__ import annotations

import os
from contextlib import suppress

from blake3 import blake3

from tract.annotations import TypeAlias
from tract.config import TractConfig, from_table, to_table
from tract.errors import ConfigError, InvalidBranchNameError, TractError
from tract.refs.names import ref_path
from tract.refs.ref_files import make_tract_folder
from tract.storage import files

_LONGEST_CONFIG = 64 * 1024
_LONGEST_LINE = 4096
_CONFIG_HEADER = b"# The settings of this tract; docs/format.md lists them.\n"
_CONFIG_CHECK = b"# check "
_CONFIG_DIGITS = 16
Comments: TypeAlias = dict[str, tuple[str, str]]
"""For a setting, the comments above it and the one behind its value."""


def load_config(path: str, prefix: str, given: TractConfig | None, *, save: bool = True) -> TractConfig:
    """The settings of a tract: its own, else the root tract's; those given replace stored ones, and with *save* are stored."""
    own = os.path.join(path, ref_path(prefix), "config.toml")
    saved = _saved_config(path, own)
    if given is None:
        return saved
    settings = saved.changed(given)
    if save and (not os.path.exists(own) or to_table(saved) != to_table(settings)):
        if prefix and not os.path.isdir(os.path.dirname(own)):
            make_tract_folder(path, prefix)
        write_config(own, settings)
    return settings


def _saved_config(path: str, own: str) -> TractConfig:
    root = os.path.join(path, "config.toml")
    with suppress(FileNotFoundError, NotADirectoryError):  # no other error: settings are never guessed
        return read_config(own)
    try:
        return read_config(root)
    except FileNotFoundError:
        raise ConfigError(f"'{root}' is missing") from None


def read_config(path: str) -> TractConfig:
    """The settings in a file; ConfigError if they make no sense, or the file is cut off."""
    data = files.read_file(path, _LONGEST_CONFIG + 1)
    # What tomllib does with a dotted key grows with the square of its length.
    if len(data) > _LONGEST_CONFIG or max(map(len, data.split(b"\n"))) > _LONGEST_LINE:
        raise ConfigError(f"'{path}': more than {_LONGEST_CONFIG} bytes, or {_LONGEST_LINE} in a line")
    if _is_cut(data):
        raise ConfigError(f"'{path}': it is cut off: its check line is missing")
    _, is_ours, rest = data.partition(_CONFIG_HEADER.rstrip())
    if is_ours and rest[:1] not in (b"\n", b"\r"):
        raise ConfigError(f"'{path}': its first line goes on into the next one, and would hide it")
    if not any(line and line[:1] != b"#" for line in data.split(b"\n")):
        return TractConfig()  # nothing but comments: the usual case, and tomllib takes 10 ms to load
    import tomllib

    try:
        return from_table(tomllib.loads(data.decode()))
    except (ValueError, RecursionError, ConfigError, InvalidBranchNameError) as exc:
        raise ConfigError(f"'{path}': {exc}") from exc


def write_config(path: str, config: TractConfig) -> None:
    """Write the settings to *path*; comments that a person wrote there stay with the settings they stand beside."""
    comments = _comments(path)
    body = _body(config, comments)
    if len(body) > _LONGEST_CONFIG - 100 or max(map(len, body.split(b"\n"))) > _LONGEST_LINE:
        body = _body(config, {})  # a larger file could not be read again
    files.write_file(path, sign_config(body), sync=True)


def _body(config: TractConfig, comments: Comments) -> bytes:
    import json  # a JSON string is a TOML string

    table = to_table(config)
    text = ""
    for key, value in table.items():
        above, behind = comments.get(key, ("", ""))
        text += f"{above}{key} = {json.dumps(value, ensure_ascii=False)}{behind}\n"
    text += "".join(above for key, (above, _) in comments.items() if key not in table)
    return _CONFIG_HEADER + text.encode()


def _comments(path: str) -> Comments:
    """The comments of a settings file, if TOML can have them there; those at its end are under an empty key."""
    try:
        text = files.read_file(path, _LONGEST_CONFIG).decode()
    except (OSError, TractError, ValueError):
        return {}
    found: Comments = {}
    above, table = "", ""
    for line in map(str.strip, text.split("\n")):
        key, is_set, value = line.partition("=")
        if line.startswith("#"):
            is_ours = line == _CONFIG_HEADER.decode().strip() or line.startswith(_CONFIG_CHECK.decode())
            above += "" if is_ours or not _is_kept(line) else f"{line}\n"
        elif line.startswith("["):
            table = line.partition("]")[0].strip("[ ") + "."
        elif is_set:
            behind = _behind(value.strip())
            found[table + key.strip()] = (above, f"  {behind}" if behind and _is_kept(behind) else "")
            above = ""
    return {**found, "": (above, "")}


def _behind(value: str) -> str:
    """The comment behind a value."""
    if value[:1] in ('"', "'"):
        at = 1
        while at < len(value) and value[at] != value[0]:
            at += 2 if value[at] == "\\" and value[0] == '"' else 1
        value = value[at + 1 :]
    _, mark, said = value.partition("#")
    return mark + said


def _is_kept(comment: str) -> bool:
    return comment.replace("\t", " ").isprintable()


def sign_config(body: bytes) -> bytes:
    """The bytes of a settings file, with the check line at its end."""
    return body + _CONFIG_CHECK + blake3(body).hexdigest()[:_CONFIG_DIGITS].encode() + b"\n"


def is_signed(data: bytes) -> bool:
    """Whether the last line of a settings file is the check of the lines before it; it is not if the file was edited by hand."""
    return data == sign_config(data[: data.rfind(_CONFIG_CHECK)])


def _is_cut(data: bytes) -> bool:
    """Whether a settings file that tract wrote lacks its end.

    People edit the file, so its check line may be wrong, or stand anywhere; but if tract's first line is there, a check line must be too.
    """
    if _CONFIG_HEADER not in data and not _CONFIG_HEADER.startswith(data):
        return False  # a person wrote all of it
    ends = (line.removeprefix(_CONFIG_CHECK) for line in data.split(b"\n") if line.startswith(_CONFIG_CHECK))
    return all(len(end.rstrip()) != _CONFIG_DIGITS for end in ends)
