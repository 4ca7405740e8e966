"""Recording a list: ``python -m benchmarks.record [--messages N]``: what one message more costs, in a list of so many.

"grown" is a program's own list, to which it appends; "made anew" is a list that it reads from somewhere each time, so that nothing in it is the object of the time before.
Beside it stands what Python's own ``==`` of two such lists takes, which is the least that seeing a change in place can cost.
Processor time, medians of the rounds; "changed" is a message changed in the middle, of a list made anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tract import Tract

Messages = list[dict[str, Any]]


def texts(number: int) -> Messages:
    role = "assistant" if number % 2 else "user"
    return [{"role": role, "content": f"message {number} " + "and a few words more " * 20}]


def calls(number: int) -> Messages:
    function = {"name": "look", "arguments": json.dumps({"path": f"src/{number}.py", "line": number})}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    result = {"role": "tool", "tool_call_id": call["id"], "content": f"{number}: a line of a file " * 10}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}, result]


def spent(do: Callable[[Messages], object], messages: Messages) -> float:
    begun = time.process_time()
    do(messages)
    return (time.process_time() - begun) * 1000


def measure(name: str, more: Callable[[int], Messages], count: int, rounds: int) -> None:
    figures: dict[str, list[float]] = {"grown": [], "made anew": [], "==": [], "changed": []}
    with tempfile.TemporaryDirectory() as folder, Tract.open(folder, durability="process") as t:
        messages = [one for number in range(count) for one in more(number)][:count]
        t.record(messages)
        t.record(messages)  # what is there already is looked up once
        for turn in range(rounds):
            messages += more(count + turn)
            json.loads(json.dumps(messages))  # as much passes through the processor's caches as below
            figures["grown"].append(spent(t.record, messages))
        for turn in range(rounds, 2 * rounds):
            messages = json.loads(json.dumps(messages + more(count + turn)))
            figures["made anew"].append(spent(t.record, messages))
            other = json.loads(json.dumps(messages))
            figures["=="].append(spent(messages.__eq__, other))
        for turn in range(rounds):
            messages = json.loads(json.dumps(messages))
            messages[len(messages) // 2]["content"] = f"changed {turn}"
            figures["changed"].append(spent(t.record, messages))
    print(f"| {name} |", " | ".join(f"{statistics.median(each):.2f} ms" for each in figures.values()), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    print(f"| a list of {options.messages:,} | grown | made anew | `==` alone | changed |\n|---|---:|---:|---:|---:|")
    measure("texts", texts, options.messages, options.rounds)
    measure("tool calls", calls, options.messages, options.rounds)


if __name__ == "__main__":
    main()
