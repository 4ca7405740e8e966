"""The scenarios of tier 2 that need one branch only, as a user would write them."""

from __future__ import annotations

from tract import CommitOperation, CompiledContext, DialogueContent, InstructionContent, Priority, ToolIOContent, Tract


def test_2_1_a_hallucination_is_corrected_as_if_it_never_happened(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("How long can I return it?")
        original = t.commit(DialogueContent(role="assistant", text="You have 60 days."))
        t.user("Thanks!")

        fix = t.commit(
            DialogueContent(role="assistant", text="You have 30 days."),
            operation=CommitOperation.EDIT,
            response_to=original.commit_hash,
        )

    with Tract.open(tmp_path) as t:
        texts = [message["content"] for message in t.compile().to_openai()]
        assert ["How long can I return it?", "You have 30 days.", "Thanks!"] == texts
        assert "You have 60 days." == t.get_content(original.commit_hash).text
        assert [fix.commit_hash] == [info.commit_hash for info in t.log(op_filter=CommitOperation.EDIT)]


def test_2_2_instructions_are_pinned_and_noise_is_hidden(tmp_path):
    with Tract.open(tmp_path) as t:
        system = t.commit(InstructionContent(text="Quote every clause in full."))
        t.user("Check clause 4.")
        call = t.commit(ToolIOContent("query", "call", {"sql": "select 1"}, call_id="q1"))
        result = t.commit(ToolIOContent("query", "result", {"rows": list(range(500))}, call_id="q1"))
        t.assistant("Clause 4 is fine.")
        noisy = t.status().token_count

        t.annotate(system.commit_hash, Priority.PINNED, reason="house rules")
        for half in (call, result):
            t.annotate(half.commit_hash, Priority.SKIP, reason="noise")

    with Tract.open(tmp_path) as t:
        assert ["system", "user", "assistant"] == [message["role"] for message in t.compile(strict=True).to_openai()]
        assert t.status().token_count < noisy / 10
        assert [system.commit_hash] == [info.commit_hash for info in t.pinned()]
        assert [call.commit_hash, result.commit_hash] == [info.commit_hash for info in t.skipped()]
        assert {"rows": list(range(500))} == t.get_content(result.commit_hash).payload
        assert ["noise"] == [note.reason for note in t.get_annotations(result.commit_hash)]


def test_2_3_what_the_model_saw_at_a_bad_answer_is_reconstructed(tmp_path):
    """Here the two contexts are compared by hand; test_debugging.py does it with checkout, diff and blame."""
    with Tract.open(tmp_path) as t:
        t.system("Answer from the manual.")
        figure = t.user("The limit is 40 bar.")
        noise = t.user("Unrelated chatter.")
        before = t.head
        bad = t.assistant("Set it to 400 bar.")
        for turn in range(15):
            t.user(f"Turn {turn}")
        t.edit(figure.commit_hash, "The limit is 4 bar.")
        t.annotate(noise.commit_hash, Priority.SKIP, reason="chatter")

    with Tract.open(tmp_path) as t:
        shown = t.sent(bad.commit_hash)
        assert ["Answer from the manual.", "The limit is 40 bar.", "Unrelated chatter."] == texts_of(shown)
        assert before == shown.commit_hashes[-1]

        then, now = t.compile(at_commit=before), t.compile()
        assert ["Answer from the manual.", "The limit is 40 bar."] == texts_of(then)  # with the notes of today
        changed = [hash for hash, a, b in zip(then.commit_hashes, then.messages, now.messages, strict=False) if a != b]
        assert [figure.commit_hash] == changed
        assert 18 == len(now)


def texts_of(context: CompiledContext) -> list[object]:
    return [message["content"] for message in context.to_openai()]
