"""Environments written in TensorFlow: rollout and learning become one XLA program.

To add one, write a file with a ``TensorFlowEnvironment`` (its spaces, ``initial``, ``transition``
and ``observe``, and the ids it goes by), decorate it with ``gin.register``, and export it here.
"""

from pgtf.environments.compiled.acrobot import CompiledAcrobot as CompiledAcrobot
from pgtf.environments.compiled.asterix import CompiledAsterix as CompiledAsterix
from pgtf.environments.compiled.breakout import CompiledBreakout as CompiledBreakout
from pgtf.environments.compiled.cartpole import CompiledCartPole as CompiledCartPole
from pgtf.environments.compiled.catch import CompiledCatch as CompiledCatch
from pgtf.environments.compiled.deep_sea import CompiledDeepSea as CompiledDeepSea
from pgtf.environments.compiled.four_rooms import CompiledFourRooms as CompiledFourRooms
from pgtf.environments.compiled.freeway import CompiledFreeway as CompiledFreeway
from pgtf.environments.compiled.mountain_car import CompiledMountainCar as CompiledMountainCar
from pgtf.environments.compiled.mountain_car_continuous import (
    CompiledMountainCarContinuous as CompiledMountainCarContinuous,
)
from pgtf.environments.compiled.noise import Noise as Noise
from pgtf.environments.compiled.pendulum import CompiledPendulum as CompiledPendulum
from pgtf.environments.compiled.registry import compiled_environment as compiled_environment
from pgtf.environments.compiled.seaquest import CompiledSeaquest as CompiledSeaquest
from pgtf.environments.compiled.space_invaders import CompiledSpaceInvaders as CompiledSpaceInvaders
from pgtf.environments.compiled.tabular import CompiledFrozenLake as CompiledFrozenLake
from pgtf.environments.compiled.tabular import CompiledTabular as CompiledTabular
from pgtf.environments.compiled.tensorflow_environment import REGISTRY as REGISTRY
from pgtf.environments.compiled.tensorflow_environment import State as State
from pgtf.environments.compiled.tensorflow_environment import (
    TensorFlowEnvironment as TensorFlowEnvironment,
)
from pgtf.environments.compiled.umbrella_chain import (
    CompiledUmbrellaChain as CompiledUmbrellaChain,
)
