"""Where a trainer's environments stand, as JSON can hold it: a snapshot of them and the carry."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from pgtf.environments import state
from pgtf.environments.environment import Environment
from pgtf.rollouts.unroll import Carry


def noted(environment: Environment, carry: Carry | None) -> dict[str, Any]:
    """Returns where the environments stand; nothing where they offer no state.

    Args:
        environment: B environments; compiled ones have their state in the carry.
        carry: as their last rollout has left it; None if there was none, or it failed.
    """
    snapshot = environment.snapshot()
    if carry is None or (snapshot is None and not environment.compiled):
        return {}
    leaves = [leaf.numpy() for leaf in tf.nest.flatten(carry)]
    return {"snapshot": snapshot, "carry": state.encoded(leaves)}


def returned(environment: Environment, saved: Mapping[str, Any], carry: Carry) -> Carry | None:
    """Puts the environments where they stood.

    Args:
        environment: of the same making.
        saved: what ``noted`` returned, perhaps in another process.
        carry: any of this environment, for its structure.

    Returns:
        The carry to go on with; None where nothing was saved or the environments do not take it, so
        that new episodes have to begin.
    """
    if "carry" not in saved:
        return None
    if saved["snapshot"] is not None:
        try:
            environment.resume(saved["snapshot"])
        except state.Unsaved:
            return None
    leaves = [tf.constant(leaf) for leaf in state.decoded(saved["carry"])]
    return tf.nest.pack_sequence_as(carry, leaves)
