"""Escaping, cutting and colours."""

from __future__ import annotations

import io

import pytest

from tract.cli.console import Console, Painted, one_line, text_width
from tract.escape import escaped


def make_console(**settings) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(stdout=out, environ=settings.pop("environ", {}), folder="/", **settings), out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\rb", "a\\rb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("a\u202eb\u2066\u200e", "a\\u202eb\\u2066\\u200e"),
        ("\u200b\u200d\ufeff\u00ad", "\\u200b\\u200d\\ufeff\\xad"),
        ("👩\u200d🚀 ❤\ufe0f\u200d🔥 می\u200cشود क\u200dष", "👩\u200d🚀 ❤\ufe0f\u200d🔥 می\u200cشود क\u200dष"),
        ("a\u200db 👩\u200d\u200c👩 👩\u200d", "a\\u200db 👩\\u200d\\u200c👩 👩\\u200d"),
        ("\U000e0041\U000e0100", "\\U000e0041\\U000e0100"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udc80", "\\udc80"),
        ("grüße ☃ 漢字 👍 👍🏽 ❤\ufe0f", "grüße ☃ 漢字 👍 👍🏽 ❤\ufe0f"),
        ("[/nope] [bold]", "[/nope] [bold]"),
    ],
)
def test_what_could_drive_a_terminal_is_shown_as_an_escape(text, shown):
    assert shown == escaped(text)


@pytest.mark.parametrize(
    ("text", "width", "line"),
    [
        ("short", 10, "short"),
        ("two\n\n  lines", 20, "two lines"),
        ("exactly ten", 11, "exactly ten"),
        ("exactly ten", 10, "exactly t…"),
        ("漢字漢字", 8, "漢字漢字"),
        ("漢字漢字", 7, "漢字漢…"),
        ("\x1b" * 9, 10, "\\x1b\\x1b\\…"),
        ("", 10, ""),
        ("  \n ", 10, ""),
    ],
)
def test_one_line_is_never_wider_than_it_may_be(text, width, line):
    assert line == one_line(text, width)
    assert text_width(line) <= width


def test_one_line_of_a_huge_text_looks_at_its_beginning_only():
    assert "x" * 9 + "…" == one_line("x" * 10_000_000, 10)


def test_a_line_escapes_what_was_not_painted():
    console, out = make_console()

    console.line("a\x1b", Painted("b\x1b"), "c\nd\t")

    assert "a\\x1bb\x1bc\\nd\t\n" == out.getvalue()


def test_painting_escapes_with_and_without_colour():
    console, _ = make_console(color=True)
    plain, _ = make_console()

    assert "\x1b[31ma\\x1b\x1b[m" == console.paint("a\x1b", "red")
    assert "a\\x1b" == plain.paint("a\x1b", "red")


def test_a_body_keeps_its_lines_and_their_indentation():
    console, out = make_console()

    console.body("a\n\n  b\x1b\n", "    ")

    assert "    a\n\n      b\\x1b\n" == out.getvalue()


def test_json_is_ascii_whatever_is_in_it():
    console, out = make_console()

    console.print_json({"a": "\x1b\x7f\u202e\udc80"})

    assert '{"a": "\\u001b\\u007f\\u202e\\udc80"}\n' == out.getvalue()


@pytest.mark.parametrize(("columns", "width"), [("120", 120), ("", 80), ("0", 80), ("wide", 80)])
def test_the_width_is_what_the_environment_says_or_80(columns, width):
    console, _ = make_console(environ={"COLUMNS": columns})

    assert width == console.width
