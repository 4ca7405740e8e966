"""Opening, closing and opening again."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from tests.making import Words, make_tract, texts
from tract import (
    BudgetAction,
    ClosedError,
    ConfigError,
    ContentValidationError,
    FreeformContent,
    InvalidBranchNameError,
    NotARepositoryError,
    NullTokenCounter,
    OpenAIClient,
    Priority,
    RefMovedError,
    Session,
    SessionError,
    StorageError,
    TokenBudgetConfig,
    TokenizerError,
    Tract,
    TractConfig,
)
from tract.maintenance.fsck.check import check_repository
from tract.opening import find_repository

REPO = Path(__file__).resolve().parents[2]


def open_tract(path, **options) -> Tract:
    return Tract.open(path, **{"tokenizer": Words(), "durability": "process", **options})


def run_python(code: str, *arguments: object) -> object:
    """What another process prints as JSON."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_another_process_finds_the_same_tract(tmp_path):
    with open_tract(tmp_path) as t:
        t.system("s")
        t.commit({"role": "user", "content": "u"}, metadata={"k": 1}, generation_config={"model": "m"})
        t.commit({"role": "assistant", "content": "a"}, usage={"prompt_tokens": 10, "completion_tokens": 2})
        t.annotate("HEAD~1", Priority.SKIP)
        t.tag("v1")
        expected = [t.head, t.compile().to_openai(), t.compile().token_source, t.compile().token_count]

    found = run_python(
        """
        import json, sys, tract
        class Words:
            name = "words"
            def count(self, text): return len(text.split())
        with tract.Tract.open(sys.argv[1], tokenizer=Words(), verify_cache=True) as t:
            c = t.compile()
            infos = [(i.metadata, i.generation_config, i.usage and i.usage.input_tokens, i.priority) for i in t.log()]
            print(json.dumps([[t.head, c.to_openai(), c.token_source, c.token_count], infos, t.tags()]))
        """,
        tmp_path,
    )

    infos = [[None, None, 10, "normal"], [{"k": 1}, {"model": "m"}, None, "skip"], [None, None, None, "pinned"]]
    assert [expected, infos, {"v1": expected[0]}] == found


def test_a_path_to_the_store_is_the_folders_store(tmp_path):
    with open_tract(tmp_path) as t:
        t.user("a")

    with open_tract(tmp_path / ".tract") as t:
        assert (["a"], tmp_path / ".tract") == (texts(t), t.path)


def test_without_a_path_the_nearest_store_above_is_opened(tmp_path, monkeypatch):
    inner = tmp_path / "x" / "y"
    inner.mkdir(parents=True)
    open_tract(tmp_path).close()
    monkeypatch.chdir(inner)

    with Tract.open() as t:
        assert tmp_path / ".tract" == t.path


def test_without_a_path_and_a_store_above_one_is_made_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with Tract.open() as t:
        assert tmp_path / ".tract" == t.path


@pytest.mark.parametrize("path", [None, "."])
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_store_that_cannot_be_looked_at_is_not_said_to_be_missing_nor_made_anew(tmp_path, monkeypatch, path, code):
    Tract.open(tmp_path).close()
    monkeypatch.chdir(tmp_path)
    store = str(tmp_path / ".tract")
    lstat = os.lstat

    def refusing(name: object) -> os.stat_result:
        if name == store:
            raise OSError(code, os.strerror(code), name)
        return lstat(name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", refusing)
        with pytest.raises(StorageError, match=f"'{store}' {os.strerror(code)}"):
            Tract.open(path)
        with pytest.raises(OSError, match=os.strerror(code)):
            find_repository(str(tmp_path))
        with pytest.raises(OSError, match=os.strerror(code)):
            check_repository(store)


def test_every_store_in_memory_is_its_own():
    a, b = open_tract(":memory:"), open_tract(":memory:")

    a.user("a")

    assert (["a"], [], None) == (texts(a), texts(b), a.path)


def test_tracts_of_one_store_have_histories_of_their_own(tmp_path):
    with open_tract(tmp_path) as root, open_tract(tmp_path, tract_id="helper") as helper:
        root.user("a")
        helper.user("b")

    with open_tract(tmp_path, tract_id="helper") as helper, open_tract(tmp_path) as root:
        assert (["a"], ["b"]) == (texts(root), texts(helper))
        assert ("root", "helper") == (root.tract_id, helper.get_commit("HEAD").tract_id)


def test_the_config_is_kept_and_a_given_one_replaces_it(tmp_path):
    config = TractConfig(
        token_budget=TokenBudgetConfig(9, BudgetAction.REJECT),
        tokenizer_encoding="cl100k_base",
        default_branch="trunk",
        compile_cache_maxsize=3,
        author='Zoë "Z" \\ #',
    )
    open_tract(tmp_path, config=config).close()

    with open_tract(tmp_path) as t:
        assert (config, "trunk") == (t.config, t.current_branch)
    open_tract(tmp_path, config=TractConfig(token_budget=5)).close()
    with open_tract(tmp_path) as t:
        assert 5 == t.config.budget.max_tokens


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tract_id": ""}, SessionError),
        ({"tract_id": "x" * 256}, SessionError),
        ({"tract_id": 5}, SessionError),
        ({"durability": "maybe"}, ConfigError),
        ({"on_moved": "maybe"}, ConfigError),
        ({"config": TractConfig(tokenizer_encoding="nope"), "tokenizer": None}, TokenizerError),
        ({"branch": "../x"}, InvalidBranchNameError),
        ({"tokenizer": object()}, TokenizerError),
        ({"tokenizer": "o200k_base"}, TokenizerError),
        ({"config": {"token_budget": 5}}, ConfigError),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_refused_opening_leaves_nothing_behind(options, error, exists, tmp_path):
    if exists:
        open_tract(tmp_path).close()
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    with pytest.raises(error):
        open_tract(tmp_path, **options)

    assert before == {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    open_tract(tmp_path).close()


def test_folders_that_are_missing_are_made(tmp_path):
    with open_tract(tmp_path / "a" / "b") as t:
        assert tmp_path / "a" / "b" / ".tract" == t.path


@pytest.mark.parametrize("path", ["file", "file/folder", "nul\0"])
def test_what_is_no_folder_cannot_be_opened(path, tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(NotARepositoryError):
        open_tract(f"{tmp_path}/{path}")

    assert ["file"] == [found.name for found in tmp_path.iterdir()]


USES = {
    "commit": lambda t: t.commit({"role": "user", "content": "b"}),
    "extend": lambda t: t.extend([]),
    "system": lambda t: t.system("b"),
    "user": lambda t: t.user("b"),
    "assistant": lambda t: t.assistant("b"),
    "tool_result": lambda t: t.tool_result("c", "b"),
    "edit": lambda t: t.edit("HEAD", "b"),
    "batch": lambda t: t.batch().__enter__(),
    "annotate": lambda t: t.annotate("HEAD", "skip"),
    "get_annotations": lambda t: t.get_annotations("HEAD"),
    "pinned": lambda t: t.pinned(),
    "skipped": lambda t: t.skipped(),
    "tag": lambda t: t.tag("v1"),
    "tags": lambda t: t.tags(),
    "record_usage": lambda t: t.record_usage({"input_tokens": 1}),
    "get_commit": lambda t: t.get_commit("HEAD"),
    "get_content": lambda t: t.get_content("HEAD"),
    "query_by_config": lambda t: t.query_by_config("a", "=", 1),
    "usage": lambda t: t.usage(),
    "stream": lambda t: t.stream(),
    "edit_history": lambda t: t.edit_history("HEAD"),
    "restore": lambda t: t.restore("HEAD", 0),
    "register_content_type": lambda t: t.register_content_type("x", object),
    "compile": lambda t: t.compile(),
    "log": lambda t: t.log(),
    "status": lambda t: t.status(),
    "show": lambda t: t.show(),
    "head": lambda t: t.head,
    "current_branch": lambda t: t.current_branch,
    "is_detached": lambda t: t.is_detached,
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("memory", [True, False])
def test_a_closed_tract_can_do_nothing(name, memory, tmp_path):
    t = open_tract(":memory:" if memory else tmp_path)
    t.user("a")
    t.close()
    t.close()

    with pytest.raises(ClosedError):
        USES[name](t)

    assert "closed" in repr(t)


def test_a_handle_that_looked_is_told_that_the_branch_moved(tmp_path):
    with open_tract(tmp_path) as a, open_tract(tmp_path) as b:
        a.user("a")
        b.compile()
        a.user("b")

        with pytest.raises(RefMovedError, match="refs/heads/main"):
            b.user("c")

        assert ["a", "b"] == texts(b)
        b.user("c")
        assert ["a", "b", "c"] == texts(a)


def test_a_handle_that_may_append_commits_on_the_new_tip(tmp_path):
    with open_tract(tmp_path) as a, open_tract(tmp_path, on_moved="append") as b:
        a.user("a")
        b.compile()
        a.user("b")

        b.user("c")

        assert ["a", "b", "c"] == texts(b)


def test_threads_may_share_a_tract(tmp_path):
    with open_tract(tmp_path, verify_cache=True) as t:
        errors: list[BaseException] = []

        def work(name: int) -> None:
            try:
                for n in range(30):
                    t.user(f"{name} {n}")
                    context = t.compile()
                    assert context.token_count == 3 + 6 * len(context) == 3 + sum(context.token_counts)
                    t.log(2)
            except BaseException as exc:  # noqa: BLE001  # reported below
                errors.append(exc)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [] == errors
        for name in range(4):
            assert [f"{name} {n}" for n in range(30)] == [text for text in texts(t) if text.startswith(f"{name} ")]


CUSTOM = """
from dataclasses import dataclass
from typing import ClassVar
@dataclass
class Note:
    content_type: ClassVar[str] = "note"
    text: str
    stars: int | None
"""


def make_note_type() -> type:
    scope: dict[str, object] = {"__name__": __name__}
    exec(compile(CUSTOM, "<note>", "exec", dont_inherit=True), scope)
    return scope["Note"]  # type: ignore[return-value]


def test_a_registered_dataclass_goes_in_and_comes_out(tmp_path):
    note = make_note_type()
    with open_tract(tmp_path) as t:
        t.register_content_type("note", note)
        t.commit(note("a", None))
        t.commit({"content_type": "note", "text": "b", "stars": 2})
        assert [note("b", 2), note("a", None)] == [t.get_content(info.commit_hash) for info in t.log()]


def test_a_type_that_is_not_registered_here_is_still_compiled_and_shown(tmp_path):
    note = make_note_type()
    with open_tract(tmp_path) as t:
        t.register_content_type("note", note)
        t.commit(note("a", 1), usage={"input_tokens": 5, "output_tokens": 2})
        expected = [t.compile().to_openai(), t.compile().token_source]

    with open_tract(tmp_path) as t:
        assert expected == [t.compile().to_openai(), t.compile().token_source]
        assert "api:7+0" == expected[1]
        assert ("note", FreeformContent({"text": "a", "stars": 1})) == (t.log()[0].content_type, t.show().content)
        with pytest.raises(ContentValidationError, match="'note' is not registered"):
            t.get_content("HEAD")


def test_a_pydantic_model_goes_in_and_comes_out():
    pydantic = pytest.importorskip("pydantic")

    class Review(pydantic.BaseModel):
        content_type: ClassVar[str] = "review"
        text: str
        stars: int = 3

    t = open_tract(":memory:")
    t.register_content_type("review", Review)

    t.commit(Review(text="a"))
    t.commit({"content_type": "review", "text": "b", "stars": 5})

    assert [Review(text="b", stars=5), Review(text="a")] == [t.get_content(info.commit_hash) for info in t.log()]
    assert '{"text":"b","stars":5}' == t.compile().to_openai()[1]["content"]
    with pytest.raises(ContentValidationError, match="'review'"):
        t.commit({"content_type": "review", "stars": 5})


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("message", make_note_type()),
        ("not a name", make_note_type()),
        ("other", make_note_type()),
        ("note", dict),
        (5, make_note_type()),
    ],
)
def test_a_type_that_cannot_be_registered_is_refused(name, cls):
    with pytest.raises(ContentValidationError):
        open_tract(":memory:").register_content_type(name, cls)


def test_content_of_a_type_nobody_registered_is_refused():
    with pytest.raises(ContentValidationError, match="Note"):
        open_tract(":memory:").commit(make_note_type()("a", 1))


def test_a_config_changes_the_settings_that_it_was_given_and_no_others(tmp_path):
    saved = TractConfig(
        token_budget=TokenBudgetConfig(100, "reject"), orphan_retention_days="never", summary_window=9000
    )
    Tract.open(tmp_path, config=saved).close()

    Tract.open(tmp_path, config=TractConfig(author="bot")).close()

    with Tract.open(tmp_path) as t:
        assert t.config == replace(saved, author="bot")
    with Tract.open(tmp_path, config=TractConfig(token_budget=None)) as t:
        assert t.config == replace(saved, author="bot", token_budget=None)


def test_a_setting_can_be_given_its_default_again(tmp_path):
    Tract.open(tmp_path, config=TractConfig(orphan_retention_days=90, author="alice")).close()

    with Tract.open(tmp_path, config=TractConfig(orphan_retention_days=7)) as t:
        assert (7, "alice") == (t.config.orphan_retention_days, t.config.author)


def test_the_file_of_settings_is_left_alone_where_nothing_changes(tmp_path):
    Tract.open(tmp_path, config=TractConfig(author="alice")).close()
    path = tmp_path / ".tract" / "config.toml"
    path.write_text(path.read_text() + "# by hand\n")

    Tract.open(tmp_path, config=TractConfig(author="alice")).close()

    assert path.read_text().endswith("# by hand\n")


def test_another_tract_begins_with_the_root_tracts_settings_and_those_it_is_given(tmp_path):
    Tract.open(tmp_path, config=TractConfig(summary_window=9000)).close()

    with Tract.open(tmp_path, tract_id="helper", config=TractConfig(author="bot")) as t:
        assert (9000, "bot") == (t.config.summary_window, t.config.author)


def test_a_budget_that_calls_back_is_an_error_where_nobody_is_named(tmp_path):
    called = []
    config = TractConfig(token_budget=TokenBudgetConfig(1, "callback", lambda *figures: called.append(figures)))
    with Tract.open(tmp_path, config=config, tokenizer=NullTokenCounter()) as t:
        t.user("a")
    assert [(6, 1)] == called

    with Tract.open(tmp_path, tokenizer=NullTokenCounter()) as t, pytest.raises(ConfigError, match="none was given"):
        t.user("b")


@pytest.mark.parametrize("make", [Tract, Session, lambda: Tract("folder")])
def test_a_class_that_is_called_says_what_opens_a_store(make):
    with pytest.raises(TypeError, match=r"(Tract|Session)\.open\(path\) opens or makes a store"):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.log(autor="x"),
        lambda t: t.compile(at_comit="HEAD"),
        lambda t: t.merge("main", no_f=True),
        lambda t: t.rebase("main", dry=True),
        lambda t: t.commit("x", mesage="y"),
        lambda t: t.stream(confg={}),
        lambda t: t.compress(keep=3),
        lambda _: Session.open(":memory:").search("x", rol="user"),
        lambda _: OpenAIClient("key", retries=3),
    ],
)
def test_a_mistyped_keyword_is_never_ignored(call):
    t = make_tract("a")

    with pytest.raises(TypeError, match="unexpected keyword argument"):
        call(t)
