"""``tract init``: an empty store."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.config import BudgetAction, TokenBudgetConfig, TractConfig
from tract.opening import create_repository, open_repository, store_path
from tract.storage.files import is_there


def run(console: Console, args: Args) -> int:
    given = args.folder if args.folder is not None else console.environ.get("TRACT_DIR") or "."
    store = store_path(console.path(given))
    if console.settings:
        console.error("init takes no -c: 'tract config' changes the settings of a store")
        return USAGE
    if args.budget_action is not None and args.token_budget is None:
        console.error("--budget-action needs a --token-budget")
        return USAGE
    console.check_writable(store)
    exists = is_there(store)
    if exists:
        _settle(console, store, args)
    else:
        config = TractConfig(token_budget=_budget(args), default_branch=args.default_branch or "main")
        create_repository(store, config)
    if args.json:
        console.print_json({"path": store, "is_new": not exists})
    else:
        console.line("Tract store exists already in " if exists else "Initialized empty tract store in ", store)
    return DONE


def _budget(args: Args) -> int | TokenBudgetConfig | None:
    """The given budget; a number alone leaves the stored action as it is."""
    number, action = args.token_budget, args.budget_action
    return number if number is None or action is None else TokenBudgetConfig(number, BudgetAction(action))


def _settle(console: Console, store: str, args: Args) -> None:
    """Give an existing store its new budget; opening it proves that it is a store."""
    budget = _budget(args)
    repo = open_repository(store)
    repo.close()
    if args.default_branch is not None and args.default_branch != repo.config.default_branch:
        console.warn("the store exists: --default-branch was ignored")
    if budget is not None:
        open_repository(store, config=TractConfig(token_budget=budget)).close()


COMMAND = Command(
    run,
    (
        Param("folder", metavar="FOLDER", help="The folder to make it in. Default: the working folder."),
        Param(
            "token_budget",
            ("--token-budget",),
            int,
            metavar="N",
            help="The number of tokens that a context should stay within.",
        ),
        Param(
            "budget_action",
            ("--budget-action",),
            choices=("warn", "reject"),
            help="What to do with a commit that exceeds the budget: warn about it, which is the default, or reject it.",
        ),
        Param(
            "default_branch",
            ("--default-branch", "-b"),
            metavar="NAME",
            help="The name of the first branch. Default: main.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
A store is a folder named .tract. Every tract command works on the nearest store at or above the working folder.
Run in a folder that has a store, init changes nothing but the budget, if you give one.

  $ tract init
  $ tract init agent --token-budget 100000
""",
)
