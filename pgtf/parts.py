"""Imports every part, so that gin knows its name."""

from pgtf.configuration.configuration import register_keras
from pgtf.configuration.runtime import runtime as runtime
from pgtf.environments import compiled as compiled
from pgtf.environments import gym
from pgtf.evolution import methods as methods
from pgtf.laboratory import laboratory as laboratory
from pgtf.learning import learner as learner
from pgtf.networks import convolutional as convolutional
from pgtf.policies import policy as policy
from pgtf.rollouts import episodes as episodes
from pgtf.rollouts import exploration as exploration
from pgtf.rollouts import steps as steps
from pgtf.running import training as training
from pgtf.trainers import AsynchronousTrainer as AsynchronousTrainer

register_keras()
gym.register_wrappers()
