"""Callbacks that decide about proposals without asking anybody; ``cli_prompt``, which asks, is the command line's."""

from __future__ import annotations

import logging

from tract.agents.proposals import Decision, Proposal

_log = logging.getLogger("tract.proposals")


def auto_approve(_: Proposal) -> Decision:
    """Approve whatever is proposed."""
    return Decision("approve", reason="approved without a look")


def log_and_approve(proposal: Proposal) -> Decision:
    """Approve whatever is proposed, and say so in the log ``tract.proposals``: what, by whom and about how many messages."""
    _log.info(
        "approved proposal %s: %s by %s, about %d messages on %s",
        *(proposal.id, proposal.action.name, proposal.origin, len(proposal.about), proposal.branch),
    )
    return Decision("approve", reason="approved without a look")


def reject_all(_: Proposal) -> Decision:
    """Reject whatever is proposed."""
    return Decision("reject", reason="everything is rejected")
