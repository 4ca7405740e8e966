from __future__ import annotations

import pytest

from tract.errors import LLMConfigError
from tract.llm import prompts
from tract.llm.prompts import Prompt, load_prompt


def shipped() -> list[str]:
    from importlib.resources import files

    return sorted(f.name.removesuffix(".txt") for f in files(prompts).iterdir() if f.name.endswith(".txt"))


def test_every_prompt_of_our_own_can_be_read():
    for name in shipped():
        assert not load_prompt(name).is_own


def test_a_users_prompt_has_its_version_and_text(tmp_path):
    (tmp_path / "ask.txt").write_bytes(b"# version: 12\r\n\nSay {{what}}.\n")

    prompt = load_prompt("ask", tmp_path)

    assert Prompt("ask", 12, "Say {{what}}.", is_own=True) == prompt
    assert "ask@12 (own)" == prompt.label
    assert "ask@12" == Prompt("ask", 12, "x").label


def test_a_users_prompt_takes_the_place_of_ours_of_that_name(tmp_path):
    for name in shipped():
        (tmp_path / f"{name}.txt").write_text("# version: 3\nmine\n")

        assert Prompt(name, 3, "mine", is_own=True) == load_prompt(name, tmp_path)


def test_places_are_filled_once():
    prompt = Prompt("p", 1, "{{a}} and {{b}}, not {c}")

    assert "{{b}} and 2, not {c}" == prompt.fill(a="{{b}}", b="2", unused="x")


def test_a_place_that_nothing_fills_is_an_error():
    with pytest.raises(LLMConfigError, match="prompt 'p' has a placeholder that nothing fills: 'b'"):
        Prompt("p", 1, "{{a}} {{b}}").fill(a="1")


@pytest.mark.parametrize("name", ["nope", "../secret", "", "A", "a/b", "a.txt"])
def test_an_unknown_prompt_is_an_error(name, tmp_path):
    with pytest.raises(LLMConfigError):
        load_prompt(name, tmp_path)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"Say it.", "does not begin with a line '# version: N'"),
        (b"# version: 0\nx", "does not begin with a line '# version: N'"),
        (b"# version: 1\n  \n", "is empty"),
        (b"# version: 1\n\xff", "is not UTF-8: byte 13"),
        (b"# version: 1\n" + b"x" * (1 << 20), "is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_prompt_is_an_error(data, complaint, tmp_path):
    (tmp_path / "ask.txt").write_bytes(data)

    with pytest.raises(LLMConfigError, match=complaint):
        load_prompt("ask", tmp_path)
