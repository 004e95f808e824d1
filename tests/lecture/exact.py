"""Exact values and gradients of finite Markov decision processes: dynamic programming in float64.

NumPy alone: nothing here knows pgtf. Preferences h(s, a) are tables, and gradients are by them.
A rollout is T rows from a reset, in which an environment that has ended uses one row to reset.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Process(NamedTuple):
    """A process of S states and A actions.

    Attributes:
        transition: [S, A, S] P(s' given s, a).
        reward: [S, A, S].
        start: [S] probabilities of the first state.
        terminal: [S] bool, the states that end an episode when they are entered.
    """

    transition: Array
    reward: Array
    start: Array
    terminal: npt.NDArray[np.bool_]

    @property
    def continuing(self) -> Array:
        """P(s' given s, a) where the episode goes on in s', [S, A, S]."""
        return self.transition * ~self.terminal

    @property
    def mean_reward(self) -> Array:
        """E[r given s, a], [S, A]."""
        return (self.transition * self.reward).sum(-1)


def process(
    successors: dict[tuple[int, int], dict[int, tuple[float, float]]], start: Array
) -> Process:
    """Makes a process whose last state is the terminal one.

    Args:
        successors: (s, a) -> s' -> (probability, reward).
        start: [S].
    """
    states, actions = len(start), 1 + max(a for _, a in successors)
    transition, reward = np.zeros((2, states, actions, states))
    transition[-1, :, -1] = 1.0
    for (s, a), row in successors.items():
        for following, (probability, r) in row.items():
            transition[s, a, following], reward[s, a, following] = probability, r
    return Process(transition, reward, start, np.arange(states) == states - 1)


# Episodes of one to three steps. State 4 is met at the second step or the third, so that neither
# the step of the episode nor the state says it all.
EPISODIC = process(
    {
        (0, 0): {2: (0.5, 1.0), 3: (0.5, -1.0)},
        (0, 1): {3: (0.75, 0.5), 5: (0.25, 2.0)},
        (0, 2): {4: (1.0, 0.0)},
        (1, 0): {2: (1.0, -0.5)},
        (1, 1): {3: (0.25, 3.0), 4: (0.75, 0.0)},
        (1, 2): {5: (1.0, 1.0)},
        (2, 0): {4: (0.5, 1.0), 5: (0.5, -2.0)},
        (2, 1): {4: (1.0, 0.0)},
        (2, 2): {5: (1.0, 0.5)},
        (3, 0): {4: (0.25, -1.0), 5: (0.75, 1.0)},
        (3, 1): {5: (1.0, 0.0)},
        (3, 2): {4: (1.0, 2.0)},
        (4, 0): {5: (1.0, 3.0)},
        (4, 1): {5: (1.0, -1.0)},
        (4, 2): {5: (1.0, 0.0)},
    },
    np.array([0.6, 0.4, 0.0, 0.0, 0.0, 0.0]),
)
EPISODIC_PREFERENCES = np.array(
    [
        [0.3, -0.4, 0.1],
        [0.0, 0.6, -0.2],
        [-0.5, 0.2, 0.3],
        [0.4, 0.0, -0.1],
        [0.2, 0.5, -0.6],
        [0.0, 0.0, 0.0],
    ]
)

# May go on for ever; under a time limit it is truncated.
CYCLIC = process(
    {
        (0, 0): {1: (0.75, 1.0), 2: (0.25, -1.0)},
        (0, 1): {0: (0.5, 0.0), 3: (0.5, 2.0)},
        (1, 0): {2: (1.0, 0.5)},
        (1, 1): {0: (0.5, -1.0), 1: (0.5, 3.0)},
        (2, 0): {0: (0.75, 2.0), 3: (0.25, -3.0)},
        (2, 1): {1: (1.0, -0.5)},
    },
    np.array([0.75, 0.0, 0.25, 0.0]),
)
CYCLIC_PREFERENCES = np.array([[0.4, -0.3], [-0.2, 0.5], [0.1, 0.0], [0.0, 0.0]])


def probabilities(preferences: Array) -> Array:
    """π(a|s), [S, A]."""
    exponentials = np.exp(preferences - preferences.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def state_values(process: Process, policy: Array, discount: float) -> Array:
    """V_π, [S]; solves V = Σ_a π (r + γ P V), 0 in terminal states."""
    follow = np.einsum("sa,sat->st", policy, process.continuing)
    reward = (policy * process.mean_reward).sum(-1) * ~process.terminal
    follow[process.terminal] = 0.0
    return np.linalg.solve(np.eye(len(reward)) - discount * follow, reward)


def action_values(process: Process, policy: Array, discount: float) -> Array:
    """Q_π, [S, A]."""
    later = process.continuing @ state_values(process, policy, discount)
    return (process.mean_reward + discount * later) * ~process.terminal[:, None]


def objective(process: Process, preferences: Array, discount: float) -> float:
    """U(θ) = E Σ_t γ^t r_t."""
    return float(process.start @ state_values(process, probabilities(preferences), discount))


def visits(process: Process, policy: Array, discount: float) -> Array:
    """Σ_t γ^t P(s_t = s), [S]; solves d = start + γ Pᵀ d."""
    follow = np.einsum("sa,sat->st", policy, process.continuing)
    follow[process.terminal] = 0.0
    return np.linalg.solve(np.eye(len(follow)) - discount * follow.T, process.start)


def score_function_gradient(policy: Array, weight: Array, signal: Array) -> Array:
    """Σ_s w(s) Σ_a π(a|s) ∇_h log π(a|s) Ψ(s, a) = w(s) π(b|s) [Ψ(s, b) - Σ_a π(a|s) Ψ(s, a)].

    Args:
        policy: [S, A].
        weight: [..., S], how often each state is visited.
        signal: [..., S, A], Ψ.

    Returns:
        [S, A], summed over what stands before S.
    """
    centred = signal - (policy * signal).sum(-1, keepdims=True)
    rows = weight[..., None] * policy * centred
    return rows.reshape(-1, *policy.shape).sum(0)


def gradient(process: Process, preferences: Array, discount: float) -> Array:
    """∇U(θ), [S, A]: states weighted by Σ_t γ^t P(s_t = s)."""
    policy = probabilities(preferences)
    weight = visits(process, policy, discount)
    return score_function_gradient(policy, weight, action_values(process, policy, discount))


def undiscounted_gradient(process: Process, preferences: Array, discount: float) -> Array:
    """E Σ_t ∇ log π(a_t|s_t) Q_π(s_t, a_t), [S, A]: as ``gradient`` without γ^t on the states.

    It is what the slides' estimators with discounted returns, A3C and pgtf follow.
    """
    policy = probabilities(preferences)
    weight = visits(process, policy, 1.0)
    return score_function_gradient(policy, weight, action_values(process, policy, discount))


class Rollouts(NamedTuple):
    """T rows from a reset, under a policy.

    Functions of rows and states have shape [T, K, S] or [T, K, S, A]: row, step of the episode
    (less than K), state, action.

    Attributes:
        process: the task.
        policy: [S, A].
        discount: γ.
        num_steps: T.
        time_limit: steps after which an episode is truncated.
    """

    process: Process
    policy: Array
    discount: float
    num_steps: int
    time_limit: int

    def occupancy(self) -> Array:
        """P(row t is the transition number k of an episode, from state s), [T, K, S]."""
        process, policy = self.process, self.policy
        follow = np.einsum("sa,sat->st", policy, process.continuing)
        live = np.zeros((self.time_limit, len(process.start)))
        live[0] = process.start
        ended = 0.0
        rows = []
        for _ in range(self.num_steps):
            rows.append(live)
            following = np.zeros_like(live)
            following[1:] = live[:-1] @ follow
            following[0] = ended * process.start
            ended = live.sum() - following[1:].sum()
            live = following
        return np.stack(rows)

    def lambda_returns(self, values: Array, lambda_: float) -> Array:
        """E[G_t given k, s, a] of the λ-return that bootstraps from any V, [T, K, S, A]."""
        later = np.tile(values, (self.time_limit, 1))
        rows = []
        for _ in range(self.num_steps):
            mixed = np.tile(values, (self.time_limit, 1))  # where the next step is the limit
            mixed[:-1] = (1.0 - lambda_) * values + lambda_ * later[1:]
            rows.append(self._backup(mixed))
            later = self._mean(rows[-1])
        return np.stack(rows[::-1])

    def n_step_returns(self, values: Array, n: int) -> Array:
        """E[G_t given k, s, a] of the n-step return that bootstraps from any V, [T, K, S, A]."""
        bootstrap = np.tile(values, (self.time_limit, 1))
        targets = [bootstrap] * (self.num_steps + 1)
        for _ in range(n):
            rows = []
            for t in range(self.num_steps):
                after = bootstrap.copy()
                after[:-1] = targets[t + 1][1:]
                rows.append(self._backup(after))
            targets = [*(self._mean(row) for row in rows), bootstrap]
        return np.stack(rows)

    def finished_returns(self) -> Array:
        """E[1(the episode ends within the rollout) Σ_k γ^k r_{t+k} given k, s, a], [T, K, S, A].

        A truncated episode counts as it stands.
        """
        process = self.process
        ends = np.zeros((self.time_limit, len(process.start)))  # of s'
        ends[:, process.terminal] = 1.0
        ends[-1] = 1.0
        finish, total = np.zeros((2, *ends.shape))
        rows = []
        for _ in range(self.num_steps):
            finishes, after = ends.copy(), np.zeros_like(ends)
            finishes[:-1] += (1.0 - ends[:-1]) * finish[1:]
            after[:-1] = (1.0 - ends[:-1]) * total[1:]
            gains = process.reward * finishes[:, None, None] + self.discount * after[:, None, None]
            rows.append((process.transition * gains).sum(-1))
            total = self._mean(rows[-1])
            finish = self._mean((process.transition * finishes[:, None, None]).sum(-1))
        return np.stack(rows[::-1])

    def gradient(self, signal: Array) -> Array:
        """E Σ_t ∇ log π(a_t|s_t) Ψ_t over the rows of a rollout, [S, A], for Ψ [T, K, S, A]."""
        return score_function_gradient(self.policy, self.occupancy(), signal)

    def _backup(self, after: Array) -> Array:
        """E[r + γ after(s')], [K, S, A], for [K, S]; terminal states are worth 0."""
        later = np.einsum("sat,kt->ksa", self.process.continuing, after)
        return self.process.mean_reward + self.discount * later

    def _mean(self, rows: Array) -> Array:
        """Mean over actions, [K, S]; 0 in terminal states."""
        return (self.policy * rows).sum(-1) * ~self.process.terminal
