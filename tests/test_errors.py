"""Errors and warnings: whatever they are about, their text is one line that drives no terminal."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from pathlib import Path

import pytest

from tests.cli.conftest import HOSTILE, UNSAFE
from tests.making import make_tract
from tract import Session, TractError, TractWarning, errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, (TractError, TractWarning)) and kind.__module__ == errors.__name__
]
LINE = HOSTILE + "\nnext\tline"


def made(kind, text: str):
    """An error of that *kind*, whose facts are all *text*."""
    own = next((one.__init__ for one in kind.__mro__ if inspect.isfunction(vars(one).get("__init__"))), None)
    wanted = [
        one
        for one in (list(inspect.signature(own).parameters.values())[1:] if own else ())
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    given = {one.name: (text,) if "tuple" in str(one.annotation) else text for one in wanted}
    return kind(**given) if given else kind(text)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_text_in_an_error_drives_no_terminal(kind):
    error = made(kind, LINE)

    assert [] == [char for char in UNSAFE + "\n\t" if char in str(error)]
    assert "ok" in str(error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_goes_to_another_process_as_it_is(kind, again):
    error = made(kind, "what it is about")
    error.content = ("x",)

    other = again(error)

    assert (type(error), str(error), error.args, vars(error)) == (type(other), str(other), other.args, vars(other))


def test_a_name_of_a_tract_drives_no_terminal_through_an_error(tmp_path: Path):
    with Session.open(tmp_path) as session:
        session.create_tract(HOSTILE)
        tries = (
            lambda: session.get_tract("x" + HOSTILE),
            lambda: session.create_tract(HOSTILE),
            lambda: session.restore_tract("x" + HOSTILE),
            lambda: session.rename_tract("x" + HOSTILE, "y"),
            lambda: session.release_tract("x" + HOSTILE),
            lambda: session.get_tract(HOSTILE).undo(),
            lambda: session.get_tract(HOSTILE).switch("x" + HOSTILE),
        )
        for one in tries:
            with pytest.raises(TractError) as caught:
                one()
            assert not set(UNSAFE) & set(str(caught.value))


def test_a_name_of_a_tract_drives_no_terminal_through_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(TractWarning(HOSTILE), stacklevel=1)
    assert not set(UNSAFE) & set(str(caught[0].message))


def test_what_python_shows_of_a_tract_drives_no_terminal(tmp_path: Path):
    with Session.open(tmp_path) as session:
        t = session.create_tract(HOSTILE)
        t.user("a")
        shown = [
            t,
            session.list_tracts(),
            t.status(),
            t.log(),
            t.undo(dry_run=True),
            make_tract("a").undo(dry_run=True),
        ]
        assert not set(UNSAFE) & set("".join(map(repr, shown)))
