"""Tier 5, several agents: a sub-agent whose forty turns come back as one message, and three agents whose branches a supervisor merges.

Prints:
    the child began with: You plan a product launch.
    the child has 43 messages
    the parent has 3 messages, the last of them: Three rivals; the largest is Acme. Prices fell by a tenth.
    the work is kept: spawned for 'rivals', collapsed
    main before: 1 message
    main after: The market is worth 2 billion. | Acme leads. | It can be built in a quarter.
"""

from __future__ import annotations

import tempfile

from tract import Session, Tract


def main(folder: str) -> None:
    with Session.open(f"{folder}/launch") as session:
        lead = session.create_tract("lead")
        lead.system("You plan a product launch.")
        lead.user("Who are our rivals?")
        delegate(session, lead)
    with Tract.open(f"{folder}/plan") as t:
        t.user("Plan the product.")
    side_by_side(f"{folder}/plan")


def delegate(session: Session, lead: Tract) -> None:
    child = session.spawn(lead, purpose="rivals", message="Look at their prices, too.")
    print(f"the child began with: {child.compile()[0].content}")
    for number in range(20):
        child.user(f"What does rival {number} charge?")
        child.assistant(f"{90 + number} a month.")
    print(f"the child has {len(child.compile())} messages")

    session.collapse(child, content="Three rivals; the largest is Acme. Prices fell by a tenth.")
    _, summary = str(lead.compile()[-1].content).split("\n")
    print(f"the parent has {len(lead.compile())} messages, the last of them: {summary}")
    link = lead.children()[0]
    print(f"the work is kept: spawned for '{link.purpose}', {link.status}")


def side_by_side(folder: str) -> None:
    """Each agent has a handle of its own on its branch: they may be threads, or processes."""
    findings = {
        "market-size": "The market is worth 2 billion.",
        "competitor-research": "Acme leads.",
        "tech-feasibility": "It can be built in a quarter.",
    }
    for branch, finding in findings.items():
        with Tract.open(folder, branch=branch, create=True) as agent:
            agent.assistant(finding)

    with Tract.open(folder) as supervisor:
        print(f"main before: {len(supervisor.compile())} message")
        for branch in findings:
            result = supervisor.merge(branch, delete_branch=True)
            assert not result.conflicts, "two agents changed the same message: resolve, then commit_merge(result)"
        print(f"main after: {' | '.join(str(message.content) for message in supervisor.compile()[1:])}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
