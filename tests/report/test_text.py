"""Results as text: what a program's user sees of them."""

from __future__ import annotations

import pickle

import pytest

from tests.making import Words, make_tract
from tract import ContextCompiler, NullTokenCounter, TokenCounter, Tract
from tract.report.text import escaped, excerpt


@pytest.fixture
def t() -> Tract:
    t = Tract.open(":memory:", tokenizer=Words())
    t.system("be terse")
    t.user("What is 2 + 2?\x1b[31m\u202e")
    t.assistant("It is four")
    t.edit("HEAD", "Four")
    return t


def test_a_commit_shows_its_role_its_first_words_and_its_tokens(t: Tract) -> None:
    edit, answer = t.log(2)

    assert f"CommitInfo({edit.commit_hash[:10]} edit assistant: 'Four', 1 token)" == repr(edit)
    assert f"CommitInfo({answer.commit_hash[:10]} assistant: 'It is four', 3 tokens)" == repr(answer)
    assert ("assistant", "It is four") == (answer.role, answer.excerpt)
    assert repr(answer) == repr(pickle.loads(pickle.dumps(answer)))


def test_a_log_is_printed_a_line_each(t: Tract) -> None:
    lines = str(t.log()).splitlines()

    assert [info.commit_hash[:10] for info in t.log()] == [line[:10] for line in lines]
    assert lines[2].endswith(" user: What is 2 + 2?\\x1b[31m\\u202e (5 tokens)")
    assert "no commits" == str(Tract.open(":memory:").log())


def test_a_diff_is_printed_as_git_shows_one(t: Tract) -> None:
    assert [
        f"message 3 {t.log()[1].commit_hash[:10]} assistant: changed",
        "@@ -1 +1 @@",
        "-It is four",
        "+Four",
    ] == str(t.diff()).splitlines()
    assert "no message differs" == str(t.diff("HEAD", "HEAD"))


def test_a_status_says_where_it_is_and_how_much_there_is(t: Tract) -> None:
    first, counts, tokens, empty, *recent = str(t.status()).splitlines()

    assert ("On branch main", "3 messages in the context, 4 commits behind it", "") == (first, counts, empty)
    assert f"Tokens: {t.status().token_count}  [words]" == tokens
    assert str(t.log()).splitlines() == recent
    assert f"StatusInfo(on 'main': 3 messages, {t.status().token_count} tokens)" == repr(t.status())


def test_a_notebook_shows_the_same_text_and_no_markup_of_a_messages(t: Tract) -> None:
    t.edit("HEAD", "<b>4</b>")

    html = t.diff()._repr_html_()

    assert html.startswith("<pre>message 3 ")
    assert "+&lt;b&gt;4&lt;/b&gt;" in html


def test_a_context_is_walked_and_indexed(t: Tract) -> None:
    context = t.compile()

    assert ["system", "user", "assistant"] == [message.role for message in context]
    assert ("Four", ["system", "user"]) == (context[-1].content, [message.role for message in context[:2]])
    with pytest.raises(IndexError):
        context[3]


def test_what_could_drive_a_terminal_is_shown_as_an_escape() -> None:
    assert "a\n\tb\\x1b[2J\\u202e\\u200bé中" == escaped("a\n\tb\x1b[2J\u202e\u200bé中")
    assert 60 == len(excerpt("word " * 100))


def test_protocols_can_be_asked_for() -> None:
    assert isinstance(NullTokenCounter(), TokenCounter)
    assert not isinstance(object(), TokenCounter | ContextCompiler)


def test_contexts_messages_and_blame_are_printed_for_people():
    t = make_tract("hello\x1b[2J", "there")
    t.edit("HEAD", "THERE")

    assert "--- 1 user\nhello\\x1b[2J\n\n--- 2 user\nTHERE" == str(t.compile())
    assert "Message(user: 'THERE')" == repr(t.compile()[1])
    first, second = str(t.blame()).splitlines()
    assert first.endswith(" 1) user: hello\\x1b[2J")
    assert " 2) user [edit of " in second
    assert "+there" in str(t.show("HEAD~1"))
    assert "no messages" == str(make_tract().blame())
