"""Tier 3, branching: two drafts of which one wins, two models side by side, and one good message brought over from a tangent.

Prints:
    formal has 1 message that casual has not
    the winner: Dear Ms Weber, we regret that we cannot accept.
    branches: main
    answers of gpt-4o: One bug, in line 3.
    temperature: 0.3 against 0.7
    picked: The API has a limit of 10 calls a second.
    rebased: 2 commits made again, on top of main
"""

from __future__ import annotations

import tempfile

from tract import Tract


def main(folder: str) -> None:
    with Tract.open(f"{folder}/mail") as t:
        keep_the_winner(t)
    with Tract.open(f"{folder}/review") as t:
        compare_models(t)
    with Tract.open(f"{folder}/research") as t:
        move_work(t)


def keep_the_winner(t: Tract) -> None:
    t.user("Draft a mail that declines the offer.")
    t.branch("casual")  # makes a branch here, and stays on main
    t.assistant("Dear Ms Weber, we regret that we cannot accept.")
    t.switch("casual")
    t.assistant("Hi Anna, thanks, but we'll pass!")

    stat = t.diff("casual", "main").stat
    print(f"formal has {stat.added} message that casual has not")
    t.switch("main")
    t.delete_branch("casual", force=True)  # gone from the list; its commits stay until gc
    print(f"the winner: {t.compile()[-1].content}")
    print(f"branches: {', '.join(branch.name for branch in t.list_branches())}")


def compare_models(t: Tract) -> None:
    t.user("Review this function.")
    for branch, config, answer in (
        ("precise", {"model": "gpt-4o", "temperature": 0.3}, "One bug, in line 3."),
        ("cheap", {"model": "gpt-4o-mini", "temperature": 0.7}, "Looks good to me!"),
    ):
        t.branch(branch, source="main", switch=True)
        t.assistant(answer, generation_config=config)

    best = t.query_by_config(model="gpt-4o")
    print(f"answers of gpt-4o: {t.get_content(best[0]).text}")
    changes = {change.field: change for change in t.diff("precise", "cheap").generation_config_changes}
    print(f"temperature: {changes['temperature'].before} against {changes['temperature'].after}")


def move_work(t: Tract) -> None:
    t.user("Plan the import.")
    t.branch("subtask")
    t.switch("tangent", create=True)
    t.assistant("Let me look around first.")
    useful = t.assistant("The API has a limit of 10 calls a second.")
    t.assistant("And its logo is blue.")

    t.switch("main")
    t.cherry_pick(useful)
    print(f"picked: {t.compile()[-1].content}")

    t.switch("subtask")
    t.assistant("Step 1: read the file.")
    t.assistant("Step 2: send the rows.")
    done = t.rebase("main")
    print(f"rebased: {len(done.replayed)} commits made again, on top of main")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
