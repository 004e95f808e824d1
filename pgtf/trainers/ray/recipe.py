"""How an actor makes the parts of its run: from the run's bindings, or by a function."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

import gin
import keras
import tensorflow as tf

from pgtf.configuration import configuration, keras_parts
from pgtf.configuration.runtime import runtime
from pgtf.environments.gym import register_wrappers
from pgtf.errors import ConfigurationError
from pgtf.trainers.trainer import Trainer

_TRAINER = "train.trainer"


class Recipe(NamedTuple):
    """All that another process needs to make the same parts; Ray sends it.

    Attributes:
        seed: the run's.
        bindings: gin text; empty where ``make`` is given.
        make: makes the trainer, not built; None where gin does.
        modules: of pgtf's parts that gin has to know.
    """

    seed: int
    bindings: str
    make: Callable[[], Trainer] | None
    modules: tuple[str, ...]

    @classmethod
    def of(cls, kind: type, seed: int, make: Callable[[], Trainer] | None) -> "Recipe":
        """Returns the recipe of the run in whose context this is called.

        Args:
            kind: the trainer's class.
            seed: the run's.
            make: as the attribute.

        Raises:
            ConfigurationError: the trainer was made by a plain call, which no process can repeat.
        """
        if make is not None:
            return cls(seed, "", make, ())
        try:
            bound = gin.query_parameter(_TRAINER)
        except ValueError:
            bound = None
        if not isinstance(bound, gin.config.ConfigurableReference):
            raise ConfigurationError(
                f"The actors of a {kind.__name__} make its parts again, in their own processes:"
                f" start it from a gin file, or as pgtf.{kind.__name__}.made_by(make), where"
                " make() returns the trainer."
            )
        known = {each.wrapped.__module__ for _, each in gin.config._REGISTRY.items()}
        modules = sorted(name for name in known if name.startswith("pgtf."))
        return cls(seed, gin.config_str(), None, tuple(modules))

    def made(self, threads: int) -> Trainer:
        """Makes the trainer in this process, which has to be fresh.

        Args:
            threads: of TensorFlow's pool, where ``runtime.intra_op_threads`` is unbound.
        """
        for name in self.modules:
            importlib.import_module(name)
        if self.make is None:
            keras_parts.register()
            register_wrappers()
            configuration.load([], [self.bindings])
        tf.config.set_visible_devices([], "GPU")
        intra = configuration.bound("runtime.intra_op_threads", None)
        configuration.call(
            gin.get_configurable(runtime), intra_op_threads=threads if intra is None else intra
        )
        keras.utils.set_random_seed(self.seed)
        if self.make is not None:
            return self.make()
        trainer: Trainer = configuration.bound(_TRAINER, None)
        return trainer
