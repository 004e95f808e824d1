# The public names: one line each, read by type checkers and, at run time, by `__init__.py`.
# A part is exported by `from module import Part as Part`.

from pgtf.configuration.checked import checked as checked
from pgtf.configuration.ranges import Count as Count
from pgtf.configuration.ranges import NonNegative as NonNegative
from pgtf.configuration.ranges import Positive as Positive
from pgtf.configuration.ranges import Probability as Probability
from pgtf.configuration.ranges import Range as Range
from pgtf.configuration.runtime import runtime as runtime
from pgtf.environments.adapters.adapter import Adapter as Adapter
from pgtf.environments.adapters.normalized_observation import (
    NormalizedObservation as NormalizedObservation,
)
from pgtf.environments.adapters.normalized_reward import NormalizedReward as NormalizedReward
from pgtf.environments.adapters.rescaled_action import RescaledAction as RescaledAction
from pgtf.environments.adapters.stacked_frames import StackedFrames as StackedFrames
from pgtf.environments.adapters.time_aware import TimeAware as TimeAware
from pgtf.environments.atari import AtariEnvironment as AtariEnvironment
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
from pgtf.environments.compiled.registry import compiled_environment
from pgtf.environments.compiled.seaquest import CompiledSeaquest as CompiledSeaquest
from pgtf.environments.compiled.space_invaders import CompiledSpaceInvaders as CompiledSpaceInvaders
from pgtf.environments.compiled.tabular import CompiledFrozenLake as CompiledFrozenLake
from pgtf.environments.compiled.tabular import CompiledTabular as CompiledTabular
from pgtf.environments.compiled.tensorflow_environment import (
    TensorFlowEnvironment as TensorFlowEnvironment,
)
from pgtf.environments.compiled.umbrella_chain import (
    CompiledUmbrellaChain as CompiledUmbrellaChain,
)
from pgtf.environments.environment import Environment as Environment
from pgtf.environments.envpool import EnvPoolEnvironment as EnvPoolEnvironment
from pgtf.environments.gym import GymEnvironment as GymEnvironment
from pgtf.environments.hosted import HostedEnvironment as HostedEnvironment
from pgtf.errors import ConfigurationError as ConfigurationError
from pgtf.errors import TrainingError as TrainingError
from pgtf.evolution.methods import CrossEntropyMethod as CrossEntropyMethod
from pgtf.evolution.methods import EvolutionStrategy as EvolutionStrategy
from pgtf.evolution.methods import SearchMethod as SearchMethod
from pgtf.evolution.search import GaussianSearch as GaussianSearch
from pgtf.evolution.shaping import centred_ranks as centred_ranks
from pgtf.evolution.shaping import standardised as standardised
from pgtf.laboratory.combinations import Combination as Combination
from pgtf.laboratory.combinations import lecture_combinations as lecture_combinations
from pgtf.laboratory.combinations import off_policy_combinations as off_policy_combinations
from pgtf.laboratory.laboratory import VarianceLaboratory as VarianceLaboratory
from pgtf.laboratory.value_fit import ValueFit as ValueFit
from pgtf.learning.baselines import Baseline as Baseline
from pgtf.learning.baselines import Constant as Constant
from pgtf.learning.baselines import ExpectedQ as ExpectedQ
from pgtf.learning.baselines import StateValue as StateValue
from pgtf.learning.baselines import TimeDependent as TimeDependent
from pgtf.learning.critics import Critic as Critic
from pgtf.learning.critics import Estimates as Estimates
from pgtf.learning.critics import QCritic as QCritic
from pgtf.learning.critics import VCritic as VCritic
from pgtf.learning.diagnostics import GradientVariance as GradientVariance
from pgtf.learning.entropy import EntropyBonus as EntropyBonus
from pgtf.learning.epochs import Epochs as Epochs
from pgtf.learning.estimators import TD0 as TD0
from pgtf.learning.estimators import LambdaReturn as LambdaReturn
from pgtf.learning.estimators import MonteCarlo as MonteCarlo
from pgtf.learning.estimators import NStep as NStep
from pgtf.learning.estimators import ReturnEstimator as ReturnEstimator
from pgtf.learning.estimators import VTrace as VTrace
from pgtf.learning.estimators import WholeReturn as WholeReturn
from pgtf.learning.fitting import JointLoss as JointLoss
from pgtf.learning.fitting import Regression as Regression
from pgtf.learning.learner import Learner as Learner
from pgtf.learning.objective import Objective as Objective
from pgtf.learning.optimization import OneUpdate as OneUpdate
from pgtf.learning.optimization import Optimization as Optimization
from pgtf.learning.schedules import PolynomialDecay as PolynomialDecay
from pgtf.learning.surrogates import ClippedSurrogate as ClippedSurrogate
from pgtf.learning.surrogates import ImportanceWeighted as ImportanceWeighted
from pgtf.learning.surrogates import ScoreFunction as ScoreFunction
from pgtf.learning.surrogates import Surrogate as Surrogate
from pgtf.learning.target_normalization import TargetNormalization as TargetNormalization
from pgtf.learning.targets import Batch as Batch
from pgtf.learning.targets import Targets as Targets
from pgtf.learning.tf1_rmsprop import TF1RMSprop as TF1RMSprop
from pgtf.loading import load_policy
from pgtf.networks.convolutional import AtariNetwork as AtariNetwork
from pgtf.networks.keras_model import KerasNetwork as KerasNetwork
from pgtf.networks.keras_model import as_network as as_network
from pgtf.networks.mlp import MLP as MLP
from pgtf.networks.network import Network as Network
from pgtf.networks.normalization import RunningNormalization as RunningNormalization
from pgtf.networks.residual import ImpalaNetwork as ImpalaNetwork
from pgtf.policies.bernoulli import Bernoulli as Bernoulli
from pgtf.policies.beta import Beta as Beta
from pgtf.policies.decision import Actor as Actor
from pgtf.policies.decision import Decision as Decision
from pgtf.policies.deterministic import Deterministic as Deterministic
from pgtf.policies.gaussian import Gaussian as Gaussian
from pgtf.policies.head import Head as Head
from pgtf.policies.head import default_head as default_head
from pgtf.policies.joint import Joint as Joint
from pgtf.policies.multi_softmax import MultiSoftmax as MultiSoftmax
from pgtf.policies.numpy_policy import NumpyPolicy as NumpyPolicy
from pgtf.policies.output import Output as Output
from pgtf.policies.policy import Policy as Policy
from pgtf.policies.softmax import Softmax as Softmax
from pgtf.policies.state_dependent_noise import StateDependentNoise as StateDependentNoise
from pgtf.policies.tanh_gaussian import TanhGaussian as TanhGaussian
from pgtf.rollouts.episodes import Episodes as Episodes
from pgtf.rollouts.exploration import EpsilonMixture as EpsilonMixture
from pgtf.rollouts.exploration import Exploration as Exploration
from pgtf.rollouts.exploration import ScaledNoise as ScaledNoise
from pgtf.rollouts.replay import RecentRollouts as RecentRollouts
from pgtf.rollouts.steps import Rollouts as Rollouts
from pgtf.running.callbacks import Callback as Callback
from pgtf.running.callbacks import Snapshot as Snapshot
from pgtf.running.callbacks import StopAtReturn as StopAtReturn
from pgtf.running.evaluation import Evaluation as Evaluation
from pgtf.running.safeguards import GoBack as GoBack
from pgtf.running.safeguards import Safeguard as Safeguard
from pgtf.running.safeguards import SkipUpdates as SkipUpdates
from pgtf.running.safeguards import StopRun as StopRun
from pgtf.running.training import Run as Run
from pgtf.starting import train_from_python
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer as AsynchronousTrainer
from pgtf.trainers.evolution import EvolutionTrainer as EvolutionTrainer
from pgtf.trainers.ray.ray_trainer import RayTrainer as RayTrainer
from pgtf.trainers.synchronous import SynchronousTrainer as SynchronousTrainer
from pgtf.trainers.trainer import Report as Report
from pgtf.trainers.trainer import Trainer as Trainer
from pgtf.trajectory import TimeStep as TimeStep
from pgtf.trajectory import Trajectory as Trajectory

__version__: str

def exporting_modules() -> list[str]: ...

CompiledEnvironment = compiled_environment
load = load_policy
train = train_from_python
