"""``tract edit``."""

from __future__ import annotations

from tract import DialogueContent, InstructionContent, MessageContent, Tract


def texts(tmp_path) -> list[tuple[str, str]]:
    with Tract.open(tmp_path) as t:
        return [(m.role, m.content) for m in t.compile().messages]


def test_the_new_text_takes_the_old_ones_place(run, tmp_path):
    run("commit", "fist", "--name", "ida")
    run("commit", "second")

    outcome = run("edit", "HEAD~1", "first", "-m", "typo")

    assert 0 == outcome.status
    assert outcome.out.endswith("]: first\n")
    assert "edit of " in outcome.out
    assert [("user", "first"), ("user", "second")] == texts(tmp_path)
    with Tract.open(tmp_path) as t:
        assert DialogueContent("user", "first", "ida") == t.get_content("HEAD")
        assert "typo" == t.get_commit("HEAD").message


def test_text_and_json_may_be_piped_in(run, tmp_path):
    run("commit", "a")

    run("edit", "HEAD", stdin="b\n")
    assert [("user", "b")] == texts(tmp_path)
    run("edit", "HEAD", "--json", "-", stdin='{"role": "assistant", "content": "c"}')
    assert [("assistant", "c")] == texts(tmp_path)


def test_the_role_alone_may_change(run, tmp_path):
    run("commit", "be terse")

    run("edit", "HEAD", "--role", "system")

    with Tract.open(tmp_path) as t:
        assert InstructionContent("be terse") == t.get_content("HEAD")


def test_a_providers_message_keeps_its_other_keys_when_its_role_changes(run, tmp_path):
    run(
        "commit", "--json", '{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}'
    )

    run("edit", "HEAD", "--role", "assistant")

    with Tract.open(tmp_path) as t:
        block = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
        assert MessageContent({"role": "assistant", "content": [block]}, "anthropic") == t.get_content("HEAD")


def test_an_edit_of_nothing_or_with_nothing_is_refused(run):
    run("commit", "a")

    assert 128 == run("edit", "nope", "b").status
    assert 2 == run("edit", "HEAD").status
    assert 1 == run("edit", "HEAD", "").status
    assert 1 == len(run("log", "--json").json_lines)


def test_an_earlier_version_comes_back(run, tmp_path):
    run("commit", "a")
    for text in ("b", "c"):
        run("edit", "HEAD", text)

    assert 0 == run("edit", "HEAD", "--restore", "0", "-m", "back").status
    assert [("user", "a")] == texts(tmp_path)
    run("edit", "HEAD", "--restore=-2")
    assert [("user", "c")] == texts(tmp_path)
    run("edit", "HEAD", "--restore", "HEAD~3")
    assert [("user", "b")] == texts(tmp_path)


def test_a_restore_of_what_is_no_version_is_refused(run):
    run("commit", "a")
    run("commit", "b")

    assert 128 == run("edit", "HEAD", "--restore", "HEAD~1").status
    assert 128 == run("edit", "HEAD", "--restore", "7").status
    assert 2 == run("edit", "HEAD", "text", "--restore", "0").status
    assert 2 == len(run("log", "--json").json_lines)


def test_a_dry_run_says_what_it_would_cost_and_changes_nothing(run, tmp_path):
    for text in ("first", "second", "third"):
        run("commit", text)

    outcome = run("edit", "HEAD~1", "2nd", "--dry-run")

    assert outcome.out.startswith("would invalidate 10 of 15 tokens (from message 2, ")
    assert run("edit", "HEAD", "--restore", "0", "-n").out.startswith("would invalidate 0 of 15")
    assert [("user", "first"), ("user", "second"), ("user", "third")] == texts(tmp_path)
