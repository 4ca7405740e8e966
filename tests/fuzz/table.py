"""Every decoder and importer of tract, as a fuzz target."""

from __future__ import annotations

from tests.fuzz import (
    llm_targets,
    message_targets,
    object_targets,
    remote_targets,
    storage_targets,
    store_targets,
    whole_store_targets,
)
from tests.fuzz.target import Target

_GROUPS = (
    object_targets,
    storage_targets,
    store_targets,
    whole_store_targets,
    message_targets,
    llm_targets,
    remote_targets,
)
TARGETS: dict[str, Target] = {target.name: target for group in _GROUPS for target in group.TARGETS}

assert len(TARGETS) == sum(len(group.TARGETS) for group in _GROUPS)
