"""The table of commands: the module of each, and a one-line summary.

Only this file has a command's name and summary, so that the help needs to load no command.
"""

from __future__ import annotations

from tract.named_tuple import NamedTuple


class Entry(NamedTuple):
    """A command: the module that declares it as ``COMMAND``, and its summary."""

    module: str
    summary: str


class Group(NamedTuple):
    """Commands that belong together."""

    title: str
    commands: dict[str, Entry]


GROUPS = (
    Group(
        "start a store",
        {
            "init": Entry("tract.cli.porcelain.init", "Create an empty store"),
            "import": Entry(
                "tract.cli.porcelain.import_", "Import conversations from files of chat logs and agent transcripts"
            ),
            "hooks": Entry("tract.cli.porcelain.hooks", "Let coding agents record their sessions as they go"),
        },
    ),
    Group(
        "record messages",
        {
            "commit": Entry("tract.cli.porcelain.commit", "Record a message"),
            "edit": Entry("tract.cli.porcelain.edit", "Replace a message; the original stays in the history"),
        },
    ),
    Group(
        "look at the context and its history",
        {
            "status": Entry("tract.cli.porcelain.status", "Show the state: branch, messages, tokens"),
            "log": Entry("tract.cli.porcelain.log", "Show the history"),
            "show": Entry("tract.cli.porcelain.show", "Show a commit, its content in full, and what it changed"),
            "diff": Entry("tract.cli.porcelain.diff", "Show what differs between two contexts"),
            "blame": Entry("tract.cli.porcelain.blame", "Show which commit each message of the context comes from"),
            "search": Entry("tract.cli.porcelain.search", "Find messages, in every tract of the store"),
            "bisect": Entry("tract.cli.porcelain.bisect", "Find the commit that turned the context bad"),
            "reflog": Entry("tract.cli.porcelain.reflog", "Show where HEAD or another ref has been"),
            "compile": Entry("tract.cli.porcelain.compile", "Print the context as a model receives it"),
            "export": Entry(
                "tract.cli.porcelain.export", "Write the context as a session or a file of another program"
            ),
            "verify": Entry("tract.cli.porcelain.verify", "Rebuild a recorded request, and compare its bytes"),
            "health": Entry("tract.cli.porcelain.health", "Show what uses the tokens, and what could be done about it"),
            "usage": Entry("tract.cli.porcelain.usage", "Add up the tokens that providers counted"),
        },
    ),
    Group(
        "curate",
        {
            "annotate": Entry("tract.cli.porcelain.annotate", "Set a message's priority: skip, normal or pinned"),
            "pin": Entry("tract.cli.porcelain.pin", "Keep messages from ever being compressed"),
            "skip": Entry("tract.cli.porcelain.skip", "Hide messages from the model"),
            "compress": Entry("tract.cli.porcelain.compress", "Put a summary in the place of messages"),
            "expand": Entry("tract.cli.porcelain.expand", "Replace a summary by its original messages"),
            "reorder": Entry("tract.cli.porcelain.reorder", "Move messages to another place in the context"),
        },
    ),
    Group(
        "branches, tracts, and going back",
        {
            "branch": Entry("tract.cli.porcelain.branch", "List, make, rename and delete branches"),
            "switch": Entry("tract.cli.porcelain.switch", "Go to another branch"),
            "checkout": Entry("tract.cli.porcelain.checkout", "Go to a branch, or look at any commit"),
            "tracts": Entry("tract.cli.porcelain.tracts", "List the tracts of the store; make, delete and rename them"),
            "spawn": Entry("tract.cli.porcelain.spawn", "Make a tract that starts with the context of another"),
            "collapse": Entry("tract.cli.porcelain.collapse", "Bring a spawned tract's work back as one message"),
            "tag": Entry("tract.cli.porcelain.tag", "List tags, or give a commit a name"),
            "reset": Entry("tract.cli.porcelain.reset", "Move the branch to another commit"),
            "undo": Entry("tract.cli.porcelain.undo", "Take back what the last commands did"),
            "redo": Entry("tract.cli.porcelain.redo", "Do again what was undone"),
        },
    ),
    Group(
        "bring histories together",
        {
            "merge": Entry("tract.cli.porcelain.merge", "Merge another branch into this one"),
            "rebase": Entry("tract.cli.porcelain.rebase", "Make this branch's commits again on another"),
            "cherry-pick": Entry("tract.cli.porcelain.cherry_pick", "Make commits of another branch again on this one"),
            "revert": Entry("tract.cli.porcelain.revert", "Take back what commits did"),
        },
    ),
    Group(
        "approve and automate",
        {
            "proposals": Entry("tract.cli.porcelain.proposals", "List actions that wait for approval"),
            "approve": Entry("tract.cli.porcelain.approve", "Carry out a proposal, as it is or changed"),
            "reject": Entry("tract.cli.porcelain.reject", "Reject a proposal"),
            "tools": Entry("tract.cli.porcelain.tools", "List the tools of a model, or call one as a model would"),
            "orchestrate": Entry("tract.cli.porcelain.orchestrate", "Manage the context, once or continuously"),
            "policy": Entry("tract.cli.porcelain.policy", "List, set and try policies, and see what they did"),
        },
    ),
    Group(
        "share with other machines",
        {
            "clone": Entry("tract.cli.porcelain.clone", "Make a store with what a remote has"),
            "remote": Entry("tract.cli.porcelain.remote", "List, add, probe, verify and collect remotes"),
            "push": Entry("tract.cli.porcelain.push", "Send branches, tags and notes to a remote"),
            "fetch": Entry("tract.cli.porcelain.fetch", "Fetch a remote's branches with all their objects"),
            "pull": Entry("tract.cli.porcelain.pull", "Fetch, and merge the remote's branch into this one"),
        },
    ),
    Group(
        "look after the store",
        {
            "config": Entry("tract.cli.porcelain.config", "Read and change settings"),
            "fsck": Entry("tract.cli.porcelain.fsck", "Check the store, and repair it"),
            "gc": Entry("tract.cli.porcelain.gc", "Pack the store, and drop unreachable objects"),
        },
    ),
    Group(
        "plumbing",
        {
            "cat-file": Entry("tract.cli.plumbing.cat_file", "Print an object, its type or its size"),
            "check-ref-format": Entry("tract.cli.plumbing.check_ref_format", "Check whether a ref can have this name"),
            "count-objects": Entry("tract.cli.plumbing.count_objects", "Count objects and the disk space they take"),
            "fast-export": Entry("tract.cli.plumbing.fast_export", "Write the store as a stream of text"),
            "fast-import": Entry("tract.cli.plumbing.fast_import", "Read a stream of text into the store"),
            "for-each-ref": Entry("tract.cli.plumbing.for_each_ref", "Print refs in a format of your own"),
            "hash-object": Entry("tract.cli.plumbing.hash_object", "Compute the id of content, and store it"),
            "ls-remote": Entry("tract.cli.plumbing.ls_remote", "List the branches and tags of a remote"),
            "ls-tree": Entry("tract.cli.plumbing.ls_tree", "List the entries of a commit's context"),
            "merge-base": Entry("tract.cli.plumbing.merge_base", "Find the common ancestor of commits"),
            "prune": Entry("tract.cli.plumbing.prune", "Drop unreachable objects"),
            "rev-list": Entry("tract.cli.plumbing.rev_list", "List commits from newest to oldest"),
            "rev-parse": Entry("tract.cli.plumbing.rev_parse", "Print the id a revision names"),
            "show-ref": Entry("tract.cli.plumbing.show_ref", "List refs"),
            "symbolic-ref": Entry("tract.cli.plumbing.symbolic_ref", "Read or set the branch HEAD is on"),
            "update-ref": Entry("tract.cli.plumbing.update_ref", "Move refs safely"),
            "verify-pack": Entry("tract.cli.plumbing.verify_pack", "Check packs and their indexes"),
        },
    ),
)

ENTRIES = {name: entry for group in GROUPS for name, entry in group.commands.items()}
