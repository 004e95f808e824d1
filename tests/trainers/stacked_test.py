"""Stacked weights move as each seed's move alone, or the optimizer is refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.trainers.stacked import StackedOptimizer

SEEDS, UPDATES = 3, 8
SHAPES: list[tuple[int, ...]] = [(4, 3), (3,), ()]
optimizers = keras.optimizers
DECAY = optimizers.schedules.PolynomialDecay(0.05, 100, 0.0)

ALLOWED: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD": (optimizers.SGD, {}),
    "SGD, decay": (optimizers.SGD, {"weight_decay": 0.1}),
    "RMSprop": (optimizers.RMSprop, {}),
    "RMSprop, centered": (optimizers.RMSprop, {"centered": True, "weight_decay": 0.1}),
    "Adam": (optimizers.Adam, {}),
    "Adam, amsgrad": (optimizers.Adam, {"amsgrad": True, "weight_decay": 0.1}),
    "Adam, clipvalue": (optimizers.Adam, {"clipvalue": 0.3}),
    "Adam, accumulation": (optimizers.Adam, {"gradient_accumulation_steps": 2}),
    "Adam, loss scale": (optimizers.Adam, {"loss_scale_factor": 8.0}),
    "AdamW": (optimizers.AdamW, {"weight_decay": 0.1}),
    "Nadam": (optimizers.Nadam, {"weight_decay": 0.1}),
    "Adamax": (optimizers.Adamax, {"weight_decay": 0.1}),
    "Adagrad": (optimizers.Adagrad, {"weight_decay": 0.1}),
    "Adadelta": (optimizers.Adadelta, {"weight_decay": 0.1}),
    "Lion": (optimizers.Lion, {"weight_decay": 0.1}),
}
# Where the learning rate stays what it is, momentum is proportional to it.
CONSTANT: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD, momentum": (optimizers.SGD, {"momentum": 0.9}),
    "SGD, Nesterov": (optimizers.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "RMSprop, momentum": (optimizers.RMSprop, {"momentum": 0.9}),
}
REFUSED: list[Any] = [
    "Lamb",
    "Ftrl",
    "Adafactor",
    "Muon",
    "ScheduleFreeAdamW",
]


@pytest.mark.parametrize("name", [*ALLOWED, *CONSTANT])
def test_each_seed_moves_as_it_does_alone(name: str) -> None:
    kind, options = (ALLOWED | CONSTANT)[name]
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(SEEDS, *shape)).astype(np.float32) for shape in SHAPES]
    gradients = [
        [rng.normal(size=(SEEDS, *shape)).astype(np.float32) for shape in SHAPES]
        for _ in range(UPDATES)
    ]
    # Seeds are at different environment steps, and one of them ends early.
    rates = np.full((UPDATES, SEEDS), 0.03, np.float32)
    if name in ALLOWED:
        rates = np.outer(np.linspace(1.0, 0.1, UPDATES), [0.05, 0.03, 0.01]).astype(np.float32)
    rates[UPDATES // 2 :, 2] = 0.0

    stacked = [keras.Variable(start) for start in starts]
    together = StackedOptimizer(kind(DECAY if name in ALLOWED else 0.03, **options))
    together.build(stacked)
    for gradient, rate in zip(gradients, rates, strict=True):
        together.apply([tf.constant(g) for g in gradient], stacked, tf.constant(rate))

    for i in range(SEEDS):
        alone = [keras.Variable(start[i]) for start in starts]
        optimizer = kind(0.03, **options)
        optimizer.build(alone)
        for gradient, rate in zip(gradients, rates[:, i], strict=True):
            if rate:
                optimizer.learning_rate = float(rate)
                optimizer.apply([tf.constant(g[i]) for g in gradient], alone)
        for ours, theirs, start in zip(stacked, alone, starts, strict=True):
            np.testing.assert_allclose(ours.numpy()[i], theirs.numpy(), rtol=1e-5, atol=3e-6)
            assert np.all(ours.numpy()[i] != start[i])


def test_every_optimizer_of_keras_is_measured_or_refused() -> None:
    kinds = {
        name
        for name, item in vars(optimizers).items()
        if isinstance(item, type) and issubclass(item, optimizers.Optimizer)
    }
    measured = {kind.__name__ for kind, _ in (ALLOWED | CONSTANT).values()}
    wrappers = {"LossScaleOptimizer", "MultiOptimizer"}
    assert kinds == measured | {*REFUSED} | wrappers | {"Optimizer"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_elementwise_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}, .*Learner\.optimizer.*RMSprop"):
        StackedOptimizer(getattr(optimizers, name)(0.03))


def test_what_wraps_or_derives_from_an_optimizer_is_refused() -> None:
    class Mine(keras.optimizers.Adam):
        """Could do anything."""

    for optimizer in (Mine(), optimizers.LossScaleOptimizer(optimizers.Adam())):
        with pytest.raises(ConfigurationError, match=r"Learner\.optimizer"):
            StackedOptimizer(optimizer)


@pytest.mark.parametrize("name", CONSTANT)
def test_momentum_under_a_schedule_is_refused(name: str) -> None:
    kind, options = CONSTANT[name]
    with pytest.raises(ConfigurationError, match=rf"{kind.__name__}\.momentum = 0\.0"):
        StackedOptimizer(kind(DECAY, **options))


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ({"clipnorm": 1.0}, r"Learner\.max_gradient_norm"),
        ({"global_clipnorm": 1.0}, r"Learner\.max_gradient_norm"),
        ({"use_ema": True}, r"Adam\.use_ema"),
    ],
)
def test_options_over_all_elements_are_refused(option: dict[str, Any], hint: str) -> None:
    with pytest.raises(ConfigurationError, match=hint):
        StackedOptimizer(optimizers.Adam(**option))
