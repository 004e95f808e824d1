"""What no machine can hold is refused before any of it is made, with the memory it would take."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest

import pgtf
from pgtf.configuration import machine
from pgtf.errors import ConfigurationError


def test_a_size_is_refused_where_it_passes_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: 2 * 2**30)

    machine.require_memory(2 * 2**30, "Part.size = 2")
    with pytest.raises(ConfigurationError) as refused:
        machine.require_memory(3 * 2**30, "Part.size = 3")
    assert str(refused.value) == (
        "Part.size = 3 would take at least 3.0 GiB of memory, and this machine has 2.0 GiB."
    )


def test_there_is_memory() -> None:
    assert 2**28 < machine.memory() < 2**50


def built(part: Any) -> None:
    part.build(gym.spaces.Box(-1.0, 1.0, (4,)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: built(pgtf.MLP((1_000_000, 1_000_000))),
            r"MLP\.hidden = \(1000000, 1000000\) would take at least 3,725\.3 GiB",
        ),
        (
            lambda: pgtf.GymEnvironment(num_envs=10**12),
            r"GymEnvironment\.num_envs = 1000000000000 would take at least",
        ),
        (
            lambda: pgtf.GymEnvironment("Pendulum-v1", 10**9, vectorization="loop"),
            r"GymEnvironment\.num_envs = 1000000000 would take at least",
        ),
        (
            lambda: pgtf.GymEnvironment("Pendulum-v1", 10**9, vectorization="async"),
            r"GymEnvironment\.num_envs = 1000000000 would take at least",
        ),
        (lambda: pgtf.CompiledPendulum(10**12), r"CompiledPendulum\.num_envs = 1000000000000"),
        (
            lambda: pgtf.AsynchronousTrainer(num_workers=10**9),
            r"AsynchronousTrainer\.num_workers = 1000000000 would take at least",
        ),
        (
            lambda: pgtf.runtime(intra_op_threads=10**9),
            r"runtime\.intra_op_threads = 1000000000 would take at least",
        ),
        (
            lambda: pgtf.TimeDependent(10**13).build(None, None, None),  # type: ignore[arg-type]
            r"TimeDependent\.max_time = 10000000000000 would take at least",
        ),
        (
            lambda: pgtf.SynchronousTrainer(rollout=pgtf.Rollouts(10**13)).build(0),
            r"Rollouts\.num_steps = 10000000000000 with 8 environments would take at least",
        ),
    ],
)
def test_enormous_parts_are_refused_with_the_memory_they_would_take(
    make: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
