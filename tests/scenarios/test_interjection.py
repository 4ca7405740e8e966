"""Scenario X.2: a supervisor corrects a conversation that is under way; the agent is a second handle of the store that simply goes on. With the orchestrator around it: test_orchestrator.py, test_loopback.py."""

from __future__ import annotations

from tract import Priority, Tract


def test_x_2_a_wrong_price_is_corrected_while_the_agent_works(tmp_path):
    with Tract.open(tmp_path, on_moved="append") as agent, Tract.open(tmp_path) as supervisor:
        agent.system("You sell boats.")
        agent.user("How much is the dinghy?")
        quote = agent.assistant("The dinghy is 900 euros.")
        agent.user("And with oars?")

        supervisor.edit(quote.commit_hash, "The dinghy is 1200 euros.", message="price list of May")
        supervisor.annotate(quote.commit_hash, Priority.PINNED, reason="the corrected price")

        prompt = [message["content"] for message in agent.compile().to_openai()]
        assert ["You sell boats.", "How much is the dinghy?", "The dinghy is 1200 euros.", "And with oars?"] == prompt
        agent.assistant("1260 euros with oars.")
        assert "The dinghy is 1200 euros." == agent.compile().messages[2].content

    with Tract.open(tmp_path) as t:
        assert quote.commit_hash in [info.commit_hash for info in t.pinned()]
        assert "The dinghy is 900 euros." == t.get_content(quote.commit_hash).text
        (correction,) = t.log(op_filter="edit")
        assert "price list of May" == correction.message


def test_x_2_a_correction_that_was_wrong_is_taken_back(tmp_path):
    with Tract.open(tmp_path) as t:
        quote = t.assistant("The dinghy is 900 euros.")
        t.edit(quote.commit_hash, "The dinghy is 1200 euros.")

        t.restore(quote.commit_hash, 0, message="900 was right")

        assert ["The dinghy is 900 euros."] == [message.content for message in t.compile().messages]
        assert 3 == len(t.edit_history(quote.commit_hash))
