"""Keras's optimizers, schedules and initializers as parts, and what their parameters take."""

import inspect
from collections.abc import Sequence
from typing import Annotated, Any

import gin
import keras
from keras.optimizers.schedules import LearningRateSchedule

from pgtf.configuration import gin_values
from pgtf.configuration.ranges import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    ProbabilityBelowOne,
    Range,
    Seed,
)

_KINDS = (
    (keras.optimizers, keras.optimizers.Optimizer),
    (keras.optimizers.schedules, LearningRateSchedule),
    (keras.initializers, keras.initializers.Initializer),
)

#: Keras annotates nothing and refuses little. What a parameter takes, whichever class has it.
EXPECTED: dict[str, Any] = {
    # Step sizes.
    **dict.fromkeys(("learning_rate",), NonNegative | LearningRateSchedule),
    **dict.fromkeys(("initial_learning_rate", "end_learning_rate", "alpha"), NonNegative),
    "warmup_target": NonNegative | None,
    "values": Sequence[NonNegative],
    "adam_lr_ratio": NonNegative,
    "rms_rate": NonNegative,
    # Weights of the past.
    **dict.fromkeys(
        ("momentum", "beta_1", "beta_2", "rho", "ema_momentum", "adam_beta_1", "adam_beta_2"),
        ProbabilityBelowOne,
    ),
    "beta_2_decay": Annotated[float, Range(most=0.0, below=True)],
    "learning_rate_power": Annotated[float, Range(most=0.0)],
    # Regularisation and clipping.
    **dict.fromkeys(
        (
            *("l1_regularization_strength", "l2_regularization_strength", "beta"),
            *("l2_shrinkage_regularization_strength", "initial_accumulator_value"),
            *("epsilon", "adam_weight_decay"),
        ),
        NonNegative,
    ),
    "weight_decay": NonNegative | None,
    # Adafactor's default is smaller than TensorFlow computes with, and Keras's affair.
    **dict.fromkeys(("epsilon_1", "epsilon_2"), float),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), Positive | None),
    "clip_threshold": Positive,
    "loss_scale_factor": Positive | None,
    "initial_scale": Positive,
    # Counts of updates, or of environment steps.
    **dict.fromkeys(("decay_steps", "first_decay_steps", "dynamic_growth_steps"), Count),
    **dict.fromkeys(("warmup_steps", "ns_steps"), CountOrZero),
    "boundaries": Sequence[CountOrZero],
    "ema_overwrite_frequency": Count | None,
    "gradient_accumulation_steps": Annotated[int, Range(2)] | None,
    # Shapes of curves.
    **dict.fromkeys(("decay_rate", "t_mul", "m_mul", "power"), Positive),
    **dict.fromkeys(("muon_a", "muon_b", "muon_c"), float),
    # Switches.
    **dict.fromkeys(
        (
            *("use_ema", "amsgrad", "centered", "nesterov", "relative_step", "staircase", "cycle"),
            *("exclude_embeddings", "periodic"),
        ),
        bool,
    ),
    # Initializers.
    **dict.fromkeys(("mean", "minval", "maxval", "value"), float),
    **dict.fromkeys(("stddev", "gain"), NonNegative),
    "scale": Positive,
    "seed": Seed | None,
}


def register() -> None:
    """Registers Keras optimizers, schedules and initializers with gin under their names.

    gin 0.5 does this in ``gin.tf``, which cannot be imported with this TensorFlow.
    """
    for module, base in _KINDS:
        classes = {
            item.__name__: item
            for item in vars(module).values()
            if inspect.isclass(item) and issubclass(item, base) and item is not base
        }
        for name, item in classes.items():
            if any(part.__name__ == name for part in item.__subclasses__()):
                continue  # A part of pgtf extends it, such as PolynomialDecay.
            if name in gin_values.names():  # A part of pgtf has the name, such as Constant.
                name += base.__name__
            gin.external_configurable(item, name=name, module=module.__name__)


def is_one(target: Any) -> bool:
    """Whether a configurable is one of Keras's own classes."""
    return getattr(target, "__module__", "").startswith("keras.")
