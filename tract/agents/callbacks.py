"""Callbacks that decide proposals without asking a person; ``cli_prompt``, which asks, belongs to the command line."""

from __future__ import annotations

import logging

from tract.agents.proposals import Decision, Proposal

_log = logging.getLogger("tract.proposals")


def auto_approve(_: Proposal) -> Decision:
    """Approve every proposal."""
    return Decision("approve", reason="approved without a look")


def log_and_approve(proposal: Proposal) -> Decision:
    """Approve every proposal, and write it to the log ``tract.proposals``: the action, its origin and the number of its messages."""
    _log.info(
        "approved proposal %s: %s by %s, about %d messages on %s",
        *(proposal.id, proposal.action.name, proposal.origin, len(proposal.about), proposal.branch),
    )
    return Decision("approve", reason="approved without a look")


def reject_all(_: Proposal) -> Decision:
    """Reject every proposal."""
    return Decision("reject", reason="everything is rejected")
