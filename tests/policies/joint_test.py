"""The joint policy over Tuple and Dict actions: an independent product."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf.errors import ConfigurationError
from pgtf.policies import Beta, Deterministic, Gaussian, Head, Joint, Softmax

BOX = spaces.Box(-1, 1, (2,))
NESTED = spaces.Dict(
    steer=BOX,
    gears=spaces.Tuple([spaces.Discrete(3), spaces.MultiBinary(2)]),
    horn=spaces.Discrete(2),
)
FEATURES = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def _head(space: gym.Space, *arguments: Any) -> Joint:
    head = Joint(*arguments)
    head.build(3, space)
    return head


def _parts(head: Joint) -> dict[str, Head]:
    assert head.keys is not None
    return dict(zip(head.keys, head.heads, strict=True))


def test_actions_have_the_structure_of_the_space() -> None:
    action = _head(NESTED).distribution(FEATURES).sample(seed=[1, 2])
    assert set(action) == {"steer", "gears", "horn"}
    assert isinstance(action["gears"], tuple)
    shapes = tf.nest.map_structure(lambda part: (part.dtype.name, *part.shape), action)
    assert shapes == {
        "steer": ("float32", 4, 2),
        "gears": (("int32", 4), ("int32", 4, 2)),
        "horn": ("int32", 4),
    }


def test_the_log_prob_and_entropy_are_sums_over_parts() -> None:
    head = _head(NESTED)
    distribution = head.distribution(FEATURES)
    action = distribution.sample(seed=[1, 2])
    parts = {name: part.distribution(FEATURES) for name, part in _parts(head).items()}
    log_prob = sum(parts[name].log_prob(action[name]) for name in NESTED)
    np.testing.assert_allclose(distribution.log_prob(action), log_prob, rtol=1e-5)
    entropy = sum(part.entropy() for part in parts.values())
    np.testing.assert_allclose(distribution.entropy(), entropy, rtol=1e-5)


def test_the_mode_is_the_mode_of_every_part() -> None:
    head = _head(NESTED)
    mode = head.distribution(FEATURES).mode()
    np.testing.assert_array_equal(mode["horn"], _parts(head)["horn"].distribution(FEATURES).mode())
    gears = _parts(head)["gears"].heads[1].distribution(FEATURES).mode()
    np.testing.assert_array_equal(mode["gears"][1], gears)


def test_probabilities_over_all_actions_sum_to_one() -> None:
    distribution = _head(spaces.Tuple([spaces.Discrete(3), spaces.MultiBinary(2)])).distribution(
        FEATURES[:1]
    )
    actions = [([a], [[b, c]]) for a in range(3) for b in range(2) for c in range(2)]
    total = sum(np.exp(distribution.log_prob(action)) for action in actions)
    np.testing.assert_allclose(total, [1], rtol=1e-5)


def test_equal_parts_draw_independently(
    compiled: Callable[..., Any], assert_frequencies: Callable[..., Any]
) -> None:
    head = _head(spaces.Tuple([spaces.Discrete(3)] * 2))
    sample = compiled(lambda seed: head.distribution(tf.zeros([1, 3])).sample(20_000, seed=seed))
    first, second = sample(tf.constant([3, 4]))
    assert_frequencies(3 * first.numpy() + second.numpy(), np.full(9, 1 / 9))


def test_heads_can_be_bound_part_by_part() -> None:
    head = _head(NESTED, {"steer": Beta()})
    assert isinstance(_parts(head)["steer"], Beta)
    assert isinstance(_parts(head)["horn"], Softmax)
    head = _head(spaces.Tuple([BOX, BOX, BOX]), [Beta(), None])
    assert [type(part) for part in head.heads] == [Beta, Gaussian, Gaussian]


def test_every_weight_of_every_part_is_trainable_and_saved(tmp_path: Path) -> None:
    head, other = _head(NESTED), _head(NESTED)
    assert len(head.trainable_variables) == 3 + 2 + 2 + 2
    path = tf.train.Checkpoint(head=head).save(str(tmp_path / "head"))
    tf.train.Checkpoint(head=other).restore(path).assert_consumed()
    for ours, theirs in zip(head.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_has_a_score_when_every_part_has_one() -> None:
    assert _head(spaces.Tuple([BOX, BOX])).has_score
    assert not _head(spaces.Tuple([BOX, BOX]), [None, Deterministic()]).has_score


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Joint().build(3, gym.spaces.Discrete(2))
    assert str(error.value) == (
        "Joint needs a Tuple or Dict action space, but this environment's is Discrete(2): "
        "bind Policy.head=@Softmax(), or leave Policy.head unbound."
    )


def test_heads_for_parts_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Joint.heads names stear, but .* gears, horn"):
        _head(NESTED, {"stear": Beta()})
    with pytest.raises(ConfigurationError, match=r"Joint.heads names 2, but .* of 0, 1: bind"):
        _head(spaces.Tuple([BOX, BOX]), [None, None, Beta()])
