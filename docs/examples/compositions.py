"""X, across the tiers: find what went wrong and take it out, stream an answer that breaks off, and go back and forth.

Prints:
    the bad figure came in with: Revenue in March: 10 (wrong unit)
    the clean report is built on: Revenue in February: 11 | Revenue in April: 13
    broken off: Revenue ro
    after the retry: Revenue rose by a tenth.
    undone, and tried again: It went up.
    and the first answer is back: Revenue rose by a tenth.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from tract import CompiledContext, Tract


def main(folder: str) -> None:
    with Tract.open(folder) as t:
        t.user("Collect the monthly revenue, and then write the report.")
        for month, figure in (("January", "10"), ("February", "11"), ("March", "10 (wrong unit)"), ("April", "13")):
            t.assistant(f"Revenue in {month}: {figure}")
        take_out_what_is_bad(t)
        stream(t)
        back_and_forth(t)


def take_out_what_is_bad(t: Tract) -> None:
    def is_clean(context: CompiledContext) -> bool:
        return not any("wrong unit" in str(message.content) for message in context)

    bad = t.bisect("HEAD~4", "HEAD", is_clean)  # the fewest contexts are looked at
    print(f"the bad figure came in with: {t.get_content(bad).text}")
    t.branch("clean", source=f"{bad.commit_hash}~1", switch=True)
    t.cherry_pick(f"{bad.commit_hash}..main")  # what is good of what came after it
    print(f"the clean report is built on: {' | '.join(str(message.content) for message in t.compile()[-2:])}")


def model(breaks: bool) -> Iterator[str]:
    """Where a program of yours reads an SDK's stream: ``for piece in s.read(client.chat.completions.create(…, stream=True))``."""
    yield "Revenue ro"
    if breaks:
        raise ConnectionError("the network went away")
    yield "se by a tenth."


def stream(t: Tract) -> None:
    try:
        with t.stream() as s:
            for piece in model(breaks=True):
                s.write(piece)
    except ConnectionError:
        partial = t.get_commit("HEAD")  # what had arrived is kept, and marked
        assert partial.metadata == {"partial": True}
        print(f"broken off: {t.get_content(partial).text}")
        t.edit(partial, "".join(model(breaks=False)))
    print(f"after the retry: {t.compile()[-1].content}")


def back_and_forth(t: Tract) -> None:
    first = t.head
    assert first is not None
    t.reset("HEAD~2")  # nothing is lost: the reflog has it, and gc leaves it for a while
    t.assistant("It went up.")
    print(f"undone, and tried again: {t.compile()[-1].content}")
    t.reset(first)
    print(f"and the first answer is back: {t.compile()[-1].content}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
