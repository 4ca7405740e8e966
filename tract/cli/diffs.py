"""The display of diffs: a header for each message, then its lines as git shows them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tract.cli.console import Console, Painted, one_line, text_width
from tract.cli.rendering import SHORT, paint_role
from tract.escape import escaped
from tract.messages import compact_json
from tract.report.diff import ConfigChange, DiffResult, DiffStat, MessageDiff
from tract.report.textdiff import Piece, word_pieces

_STYLES = {"-": "red", "+": "green"}


def print_diff(console: Console, result: DiffResult, *, context: int = 3, words: bool = False) -> None:
    """Print all messages that differ, with an empty line between them; then the configs that changed."""
    configs = list(result.generation_config_changes)
    for number, diff in enumerate(result.message_diffs):
        if number:
            console.line("")
        own = [c for c in configs if c.commit_before == c.commit_after == diff.commit_hash]
        _print_message(console, diff, own, context=context, words=words)
    rest = [c for c in configs if c.commit_before != c.commit_after]
    if rest:
        console.line("")
    for change in rest:
        console.line(
            console.paint("config", "bold"), f" {change.commit_before[:SHORT]} -> {change.commit_after[:SHORT]}  ", _config_text(change)
        )  # fmt: skip


def _print_message(
    console: Console, diff: MessageDiff, configs: Sequence[ConfigChange], *, context: int, words: bool
) -> None:
    _print_header(console, diff)
    if diff.before is not None and diff.after is not None:
        if diff.before.role != diff.after.role:
            _print_pair(console, "role", diff.before.role, diff.after.role)
        keys = [key for key in diff.changed_keys if key != "role"]
        if keys and diff.before.text == diff.after.text:
            console.line(f"its text is the same; these keys differ: {', '.join(keys)}")
    for change in configs:
        console.line("config ", _config_text(change))
    for hunk in diff.hunks(context):
        if diff.kind == "changed":
            console.line(console.paint(hunk.header, "cyan"))
        if words and diff.kind == "changed":
            _print_words(console, hunk.lines)
            continue
        for mark, text in hunk.lines:
            _print_piece(console, mark, text)


def _print_piece(console: Console, mark: str, text: str) -> None:
    line = mark + text
    console.line(console.paint(line, _STYLES[mark]) if mark in _STYLES else line)


def _print_header(console: Console, diff: MessageDiff) -> None:
    places = [side.number for side in (diff.before, diff.after) if side is not None]
    where = str(places[0]) if len(set(places)) == 1 else f"{places[0]} -> {places[1]}"
    kind = f"{diff.kind}, moved" if diff.moved and diff.kind == "changed" else diff.kind
    id = console.paint(diff.commit_hash[:SHORT], "yellow")
    console.line(console.paint(f"message {where}", "bold"), " ", id, " ", paint_role(console, diff.role), ": ", kind)


def _print_pair(console: Console, name: str, before: str, after: str) -> None:
    console.line(
        f"{name} ",
        console.paint(f"-{one_line(before, 40)}", "red"),
        " ",
        console.paint(f"+{one_line(after, 40)}", "green"),
    )


def _config_text(change: ConfigChange) -> str:
    return f"{change.field}: {compact_json(change.before)} -> {compact_json(change.after)}"


def _print_words(console: Console, lines: Sequence[Piece]) -> None:
    """Print the lines of a hunk with changed words in ``[-…-]`` and ``{+…+}``, as git marks them."""
    for kept, run in groupby(lines, lambda line: line.mark == " "):
        pieces = list(run)
        if kept:
            for piece in pieces:
                console.line(piece.text)
            continue
        before, after = ("\n".join(piece.text for piece in pieces if piece.mark == mark) for mark in "-+")
        shown = "".join(_marked(console, piece) for piece in word_pieces(before, after))
        for line in shown.split("\n"):
            console.line(Painted(line))


def _marked(console: Console, piece: Piece) -> str:
    """A run of words, line by line, so that no mark spans two lines; escaped."""
    if piece.mark == " ":
        return "\n".join(escaped(part) for part in piece.text.split("\n"))
    start, end = ("[-", "-]") if piece.mark == "-" else ("{+", "+}")
    parts = piece.text.split("\n")
    return "\n".join(console.paint(f"{start}{part}{end}", _STYLES[piece.mark]) if part else "" for part in parts)


def _number(diff: MessageDiff) -> int:
    """The number of the message on the side that has it."""
    side = diff.after or diff.before
    assert side is not None
    return side.number


def print_stat(console: Console, result: DiffResult) -> None:
    """Print a line for each message with its tokens, and a last one with the sums."""
    rows = [
        (
            str(_number(diff)),
            diff.commit_hash[:SHORT],
            one_line(diff.role, 20),
            diff.kind,
            f"{diff.token_delta:+}",
        )
        for diff in result.message_diffs
    ]
    widths = [max((text_width(row[at]) for row in rows), default=0) for at in range(5)]
    for row in rows:
        cells = [cell + " " * (widths[at] - text_width(cell)) for at, cell in enumerate(row[:4])]
        cells[0] = " " * (widths[0] - len(row[0])) + row[0]
        style = "green" if row[4].startswith("+") else "red"
        console.line(
            " message ", "  ".join(Painted(cell) for cell in cells), "  ", console.paint(row[4].rjust(widths[4]), style)
        )
    console.line(" ", stat_text(result.stat))


def stat_text(stat: DiffStat) -> str:
    """The sums of a diff: ``2 messages added, 1 changed; 31 tokens more``."""
    counts = [(stat.added, "added"), (stat.removed, "removed"), (stat.changed, "changed"), (stat.moved, "moved")]
    said = [f"{count} {what}" for count, what in counts if count]
    if not said:
        return "no message differs"
    first, _, rest = said[0].partition(" ")
    said[0] = f"{first} message{'' if first == '1' else 's'} {rest}"
    delta = stat.token_delta
    tokens = (
        f"{abs(delta)} token{'' if abs(delta) == 1 else 's'} {'more' if delta > 0 else 'less'}"
        if delta
        else "as many tokens"
    )
    return f"{', '.join(said)}; {tokens}"
