"""The command line as a whole: help, global options, errors, exit statuses."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from tract import Tract
from tract.cli.command import Args, Command
from tract.cli.commands import ENTRIES
from tract.cli.console import Console
from tract.cli.hints import GIT_WORDS
from tract.cli.main import main


def declared(name: str) -> Command:
    return import_module(ENTRIES[name].module).COMMAND


def is_porcelain(name: str) -> bool:
    return ".porcelain." in ENTRIES[name].module


def tract(*argv: str, cwd, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "LC_ALL": "C", **environ}
    return subprocess.run([sys.executable, "-m", "tract", *argv], cwd=cwd, input=stdin, capture_output=True, text=True, encoding="utf-8", env=env, check=False)  # fmt: skip


def test_without_a_command_the_help_is_printed_and_the_answer_is_no(anywhere):
    outcome = anywhere()

    assert 1 == outcome.status
    assert outcome.out == anywhere("--help").out
    assert 0 == anywhere("--help").status == anywhere("help").status


def test_the_help_has_a_line_for_every_command(anywhere):
    lines = anywhere("--help").out.splitlines()

    for name in ENTRIES:
        assert [line for line in lines if line.startswith(f"   {name} ")], name


@pytest.mark.parametrize("name", ENTRIES)
def test_every_command_has_help_with_an_example(anywhere, name):
    outcome = anywhere(name, "--help")

    assert 0 == outcome.status
    assert f"Usage: tract {name}" in outcome.out
    if is_porcelain(name):
        assert f"$ tract {name}" in outcome.out
    assert outcome.out == anywhere("help", name).out


def test_every_porcelain_command_that_prints_data_takes_json():
    for name in ENTRIES:
        if is_porcelain(name) and name != "switch":
            assert any("--json" in param.flags for param in declared(name).params), name


def test_an_unknown_command_is_a_usage_error_that_names_a_similar_one(anywhere):
    outcome = anywhere("blmae")

    assert 2 == outcome.status
    assert (
        "tract: 'blmae' is not a tract command; see 'tract --help'\nhint: the most similar command is 'blame'\n"
        == outcome.err
    )


def test_a_word_of_gits_is_answered_with_the_way_to_do_it(anywhere):
    outcome = anywhere("stash")

    assert 2 == outcome.status
    assert "hint: nothing is uncommitted here: 'tract branch aside' names where you are" in outcome.err
    assert not set(GIT_WORDS) & set(ENTRIES)


def test_a_mistyped_branch_is_answered_with_one_that_is_there(run):
    run("commit", "hello")
    run("branch", "feature")

    for argv in (("switch", "featrue"), ("log", "featrue"), ("merge", "featrue")):
        outcome = run(*argv)
        assert (128, True) == (outcome.status, "hint: did you mean 'feature'?" in outcome.err), argv


class Zeros(io.RawIOBase):
    """A file that has no end, and no line has one in it."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_an_input_without_an_end_is_not_read_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("tract.cli.console.MAX_SIZE", 1 << 20)
    assert 0 == main(["init"], console=Console(folder=str(tmp_path), stdout=io.StringIO()))
    for argv in (["commit", "-"], ["hash-object", "--stdin"], ["update-ref", "--stdin"], ["cat-file", "--batch"]):
        err = io.StringIO()
        console = Console(
            stdin=io.TextIOWrapper(io.BufferedReader(Zeros())), stdout=io.StringIO(), stderr=err, folder=str(tmp_path)
        )

        assert 128 == main(argv, console=console), argv
        assert "the standard input has more than" in err.getvalue()


@pytest.mark.parametrize(
    "argv",
    [
        ("log", "--nope"),
        ("log", "-n", "few"),
        ("switch", "a", "b"),
        ("annotate", "HEAD"),
        ("annotate", "HEAD", "loud"),
        ("log", "--oneline=yes"),
        ("compile", "--format"),
        ("--nope", "log"),
        ("-C",),
        ("--color=pink", "log"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(run, argv):
    outcome = run(*argv)

    assert 2 == outcome.status
    assert "" == outcome.out
    assert outcome.err
    assert "Traceback" not in outcome.err


def test_without_a_store_every_command_says_so_and_makes_none(anywhere, tmp_path):
    for argv in (["log"], ["status"], ["show"], ["commit", "x"], ["compile"], ["branch"], ["tag"], ["import", "x"]):
        outcome = anywhere(*argv)

        assert 128 == outcome.status, argv
        assert "tract: not a tract store (or any of the parent folders): .tract" == outcome.err.splitlines()[0]
    assert [] == list(tmp_path.iterdir())


def test_the_store_of_a_parent_folder_is_found(run, tmp_path):
    run("commit", "hello")
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert "hello" in run("-C", "a/b", "show").out
    assert "hello" in run("-C", "a", "-C", "b", "show").out


def test_tract_dir_names_the_store(run, tmp_path):
    run("commit", "hello")
    (tmp_path / "elsewhere").mkdir()

    assert 128 == run("-C", "/", "show").status
    assert "hello" in run("-C", "elsewhere", "show", TRACT_DIR=str(tmp_path / ".tract")).out


def test_another_tract_is_looked_at_but_never_made(run, tmp_path):
    with Tract.open(tmp_path, tract_id="helper") as t:
        t.user("from the helper")

    assert "from the helper" in run("--tract", "helper", "show").out
    assert 128 == run("--tract", "nobody", "log").status
    assert 128 == run("--tract=../x", "log").status
    assert not (tmp_path / ".tract" / "tracts" / "nobody").exists()


def test_the_author_may_come_from_the_environment(run):
    run("commit", "hello", TRACT_AUTHOR_NAME="ida")

    assert "Author: ida" in run("log").out


def test_a_file_that_is_not_there_is_one_line(run):
    outcome = run("-C", "/nowhere", "log")

    assert 128 == outcome.status
    assert "tract: '/nowhere': no such file or directory\n" == outcome.err


def failing(monkeypatch: pytest.MonkeyPatch, exc: BaseException) -> None:
    def run(_console: Console, _args: Args) -> int:
        raise exc

    module = import_module("tract.cli.porcelain.branch")
    monkeypatch.setattr(module, "COMMAND", Command(run))


def test_a_bug_is_one_line_and_the_traceback_only_where_asked_for(anywhere, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("division\x1b by zero"))

    quiet, loud = anywhere("branch"), anywhere("branch", TRACT_TRACEBACK="1")

    assert 128 == quiet.status == loud.status
    assert "tract: internal error: ZeroDivisionError: division\\x1b by zero" == quiet.err.splitlines()[0]
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err


def test_an_interrupt_is_status_130_and_silent(anywhere, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())

    outcome = anywhere("branch")

    assert (130, "", "") == outcome


def test_a_reader_that_goes_away_is_no_error(anywhere, monkeypatch):
    failing(monkeypatch, BrokenPipeError())

    assert (141, "", "") == anywhere("branch")


def test_a_full_disk_below_the_output_is_an_error():
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    err = io.StringIO()

    assert 128 == main(["--version"], console=Console(stdout=Full(), stderr=err))
    assert (
        "tract: the output cannot be written: no space left on device; what the command changed stays changed\n"
        == err.getvalue()
    )


@pytest.mark.parametrize("argv", [["branch", "--help"], ["help"]])
def test_a_full_disk_below_any_output_is_an_error(argv):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    err = io.StringIO()

    assert 128 == main(argv, console=Console(stdout=Full(), stderr=err))
    assert err.getvalue().startswith("tract: the output cannot be written: no space left on device; ")


def test_an_error_of_the_system_without_a_name_is_not_said_to_be_one_of_the_output(anywhere, monkeypatch):
    failing(monkeypatch, OSError(24, "Too many open files"))

    assert (128, "", "tract: too many open files\n") == anywhere("branch")


def test_what_was_printed_before_a_command_failed_is_not_lost(tmp_path):
    tract("init", cwd=tmp_path)
    tract("commit", "hello", cwd=tmp_path)
    printed = tract("rev-parse", "HEAD", "nothing-of-that-name", cwd=tmp_path)

    assert 128 == printed.returncode
    assert 65 == len(printed.stdout)


def test_an_exceeded_budget_is_a_line_of_warning(anywhere):
    anywhere("init", "--token-budget", "5")

    outcome = anywhere("commit", "one two three four five six")

    assert 0 == outcome.status
    assert outcome.err.startswith("warning: token budget exceeded")


def test_colours_only_on_a_terminal_that_wants_them(run):
    run("commit", "hello")

    assert "\x1b[33m" in run("log", terminal=True).out
    assert "\x1b" not in run("log").out
    assert "\x1b" not in run("log", terminal=True, NO_COLOR="1").out
    assert "\x1b" not in run("--color=never", "log", terminal=True).out
    assert "\x1b[33m" in run("--color", "always", "log").out


def test_the_program_runs_as_a_module(tmp_path):
    assert 0 == tract("init", cwd=tmp_path).returncode
    done = tract("commit", "-", cwd=tmp_path, stdin="grüße, ☃\n")

    assert done.stdout.startswith("[main ")
    assert done.stdout.endswith("user: grüße, ☃\n")
    assert "" == done.stderr
    assert 0 == tract("log", "-n1", cwd=tmp_path).returncode
    assert 128 == tract("show", "nope", cwd=tmp_path).returncode
    assert 2 == tract("show", "--nope", cwd=tmp_path).returncode


def test_a_pipe_that_closes_early_leaves_no_complaint(tmp_path):
    tract("init", cwd=tmp_path)
    with Tract.open(tmp_path) as t:
        t.extend([{"role": "user", "content": f"{n} " + "x" * 1000} for n in range(500)])
    env = {"PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "tract", "log"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)  # fmt: skip

    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()

    assert b"" == complaint
    assert 141 == process.wait()


HEAVY = (
    "typer",
    "click",
    "rich",
    "pydantic",
    "httpx",
    "tiktoken",
    "regex",
    "asyncio",
    "tract.api.tract",
    "tract.cli.help",
)


@pytest.mark.parametrize("argv", [["log"], ["log", "--oneline", "--graph"], ["status"], ["show"], ["rev-parse", "HEAD"], ["--help"]], ids=" ".join)  # fmt: skip
def test_a_command_that_looks_loads_nothing_heavy(run, tmp_path, argv):
    run("commit", "hello")
    program = f"import sys; from tract.cli.main import main; main({argv!r}); print(*[m for m in {HEAVY!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip

    assert "" == done.stdout.splitlines()[-1]


# What the commands of every day do without. Most of their time is the loading of modules, a third of a millisecond each:
# whoever makes one load more of these shall know it, and have a reason.
DISPENSABLE = (
    *(
        "asyncio",
        "dataclasses",
        "hashlib",
        "hmac",
        "httpx",
        "importlib.metadata",
        "inspect",
        "json",
        "logging",
        "pathlib",
        "secrets",
        "tempfile",
        "tiktoken",
    ),
    *("tract.objects.content", "tract.compile.compiled", "tract.writing.budget", "tract.compile.prefix"),
    *(
        "tract.report.forensics",
        "tract.report.diff",
        "tract.report.spending",
        "tract.report.status",
        "tract.writing.stream",
    ),
    *("tract.messages.to_provider", "tract.messages.caching", "tract.messages.content"),
    *(
        "tract.history.commit",
        "tract.history.diff",
        "tract.history.bisect",
        "tract.maintenance.gc.collect",
        "tract.maintenance.gc.run",
        "tract.maintenance.gc",
    ),
    *(
        "tract.cli.diffs",
        "tract.cli.placeholders",
        "tract.history.read_time",
        "tract.api.handle",
        "tract.api.opening",
        "tract.api.tract",
    ),
    *("tract.adapters", "tract.curation", "tract.llm"),
    "tract.config.remote_config",
)
RENDERING = ("tract.compile.compiled", "tract.compile.prefix", "tract.messages.to_provider", "tract.messages.caching")
COMPILING = ("tract.writing.budget", "tract.history.commit", *RENDERING)
OPENED = (
    *("tract.api.tract", "tract.api.handle", "tract.api.opening", "tract.objects.content", "tract.messages.content"),
    *COMPILING,
)
# Each command with what it needs of that after all, and how many modules of tract it may load: some more than it did when this was written.
EVERYDAY = (
    (("log",), (), 88),
    (("status",), ("tract.report.status",), 89),
    (("show",), (), 83),
    (("branch",), (), 88),
    (("switch", "-c", "other"), (), 89),
    (("tag",), (), 89),
    (("diff",), ("tract.cli.diffs", "tract.report.diff", "tract.history.diff", *RENDERING), 96),
    (("compile",), ("tract.history.read_time", *COMPILING), 101),
    (("blame",), ("tract.report.forensics", "tract.history.commit", "tract.history.diff", *RENDERING), 102),
    (("search", "hello"), (), 88),
    (("reset", "HEAD~1"), (), 92),
    (("undo",), ("tract.history.commit",), 87),
    (("commit", "good night"), OPENED, 125),
    (("edit", "HEAD", "good night"), OPENED, 126),
    (("skip", "HEAD"), OPENED, 125),
    (("pin", "HEAD"), OPENED, 125),
    (("fsck",), (), 94),
    (("fast-export",), ("json",), 57),
    (("cat-file", "-p", "HEAD"), ("json",), 57),
    (("symbolic-ref", "HEAD"), (), 50),
    (("update-ref", "refs/heads/new", "HEAD"), (), 57),
    (("merge", "side"), (*OPENED, "json", "pathlib", "tract.curation", "tract.history.diff"), 145),
    (
        ("compress", "--dry-run"),
        (*OPENED, "logging", "tiktoken", "tract.curation"),
        143,
    ),
    (
        ("compress", "--keep-recent", "1", "--content", "night"),
        (*OPENED, "logging", "tiktoken", "tract.curation"),
        143,
    ),
)


@pytest.mark.parametrize(("argv", "needed", "most"), EVERYDAY, ids=[" ".join(argv[:2]) for argv, _, _ in EVERYDAY])
def test_a_command_of_every_day_loads_only_what_it_needs(run, tmp_path, argv, needed, most):
    for line in ("commit hello", "commit day", "switch -c side", "commit night", "switch main", "commit noon"):
        run(*line.split())
    program = f"import sys; before = set(sys.modules); from tract.cli.main import main; main({argv!r}); print(*(sys.modules.keys() - before))"

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip

    loaded = done.stdout.splitlines()[-1].split()
    kept_out = [name for name in DISPENSABLE if name not in needed]
    assert [] == [name for name in loaded if any(f"{name}.".startswith(f"{other}.") for other in kept_out)]
    assert most >= len([name for name in loaded if name.split(".")[0] == "tract"])


@pytest.mark.parametrize(("argv", "most"), [(["status"], 130), (["log"], 120), (["commit", "x"], 160)])
def test_few_annotations_are_compiled_when_a_command_starts(run, tmp_path, argv, most):
    run("commit", "hello")
    program = (
        "import typing; made = []; whole = typing.ForwardRef.__init__\n"
        "typing.ForwardRef.__init__ = lambda *args, **options: (made.append(1), whole(*args, **options))[1]\n"
        f"from tract.cli.main import main; main({argv!r}); print(len(made))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert int(done.stdout.split()[-1]) <= most  # 10 us each


def test_a_completion_loads_no_command_but_the_one_that_was_typed(tmp_path):
    program = "import sys; from tract.cli.main import main; main(()); print(*sys.modules)"
    asked = {"_TRACT_COMPLETE": "complete_bash", "COMP_WORDS": "tract log --onel", "COMP_CWORD": "2"}

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path), **asked})  # fmt: skip

    *found, loaded = done.stdout.splitlines()
    assert ["--oneline"] == found
    commands = [name for name in loaded.split() if name.startswith(("tract.cli.porcelain.", "tract.cli.plumbing."))]
    assert ["tract.cli.porcelain.log"] == commands


def test_shells_can_ask_for_completions(tmp_path):
    done = tract(cwd=tmp_path, _TRACT_COMPLETE="complete_bash", COMP_WORDS="tract sta", COMP_CWORD="1")
    # The shell is found among the processes above: there must be one, also where the tests run without.
    asking = f"{shlex.quote(sys.executable)} -m tract --show-completion; true"
    script = subprocess.run(["bash", "-c", asking], cwd=tmp_path, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": ":".join(sys.path)})  # fmt: skip

    assert "status" == done.stdout.strip()
    assert "_TRACT_COMPLETE" in script.stdout
