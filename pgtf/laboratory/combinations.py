"""The combinations compared: baseline, critic, returns, surrogate, discount and reduction."""

from collections.abc import Iterable, Sequence

import gin

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Positive, Probability
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Baseline, Constant, StateValue, TimeDependent
from pgtf.learning.critics import Critic, VCritic
from pgtf.learning.estimators import (
    LambdaReturn,
    MonteCarlo,
    NStep,
    ReturnEstimator,
    VTrace,
    WholeReturn,
)
from pgtf.learning.objective import Reduction
from pgtf.learning.surrogates import (
    ClippedSurrogate,
    ImportanceWeighted,
    ScoreFunction,
    Surrogate,
)


@gin.register
class Combination:
    """One way to estimate the gradient from the trajectories that all combinations share.

    The laboratory builds and fits its parts: bind no part that a ``Learner`` trains.

    Args:
        name: in tables and pictures.
        baseline: subtracted from the return; None for none.
        critic: bootstrapped from; None for none.
        returns: ``MonteCarlo`` when unbound.
        discount: γ; the learner's when unbound.
        reduction: 'sum_over_time' or 'mean_over_steps'; the laboratory's when unbound.
        curve: the curve of the picture that this point belongs to, such as 'n' or 'λ'.
        surrogate: weights the data of earlier policies; ``ScoreFunction``, which does not, when
            unbound.
    """

    @checked
    def __init__(
        self,
        name: str,
        baseline: Baseline | None = None,
        critic: Critic | None = None,
        returns: ReturnEstimator | None = None,
        discount: Probability | None = None,
        reduction: Reduction | None = None,
        curve: str | None = None,
        surrogate: Surrogate | None = None,
    ):
        self.name = name
        self.baseline = baseline
        self.critic = critic
        self.returns = returns or MonteCarlo()
        self.discount = discount
        self.reduction = reduction
        self.curve = curve
        self.surrogate = surrogate or ScoreFunction()
        if critic is None and self.returns.bootstraps:
            raise ConfigurationError(
                f"Combination {name!r}: {type(self.returns).__name__} bootstraps from a critic, and"
                " there is none: bind Combination.critic = @VCritic()."
            )


def no_baseline() -> Combination:
    """The reference for variances: REINFORCE with rewards-to-go."""
    return Combination("no baseline")


def unbiased(combinations: Iterable[Combination]) -> list[Combination]:
    """The references for biases: Monte Carlo gradients, unbiased under any baseline."""
    return [
        no_baseline(),
        *(
            each
            for each in combinations
            if type(each.returns) is MonteCarlo and each.discount is None and each.baseline
        ),
    ]


@gin.register
@checked
def lecture_combinations(
    steps: Sequence[int | None] = (1, 5, 20, None),
    lambdas: Sequence[float] = (0.0, 0.5, 0.9, 0.95, 1.0),
) -> list[Combination]:
    """The lecture's: four baselines on whole returns and rewards-to-go, n-step and λ-returns.

    The last two bootstrap from the same V(s) that they subtract. All share one ``VCritic`` and the
    network bound to it.

    Args:
        steps: n of the n-step returns; None for all steps of the episode.
        lambdas: λ of the λ-returns.
    """
    critic: Critic = gin.get_configurable(VCritic)()
    limits: list[ReturnEstimator] = [WholeReturn(), MonteCarlo()]
    found = []
    for name, returns in zip(("whole", "to go"), limits, strict=True):
        found += [
            Combination(f"{name}, no baseline", returns=returns),
            Combination(f"{name}, constant", Constant(), returns=returns),
            Combination(f"{name}, time-dependent", TimeDependent(), returns=returns),
            Combination(f"{name}, V(s)", StateValue(), critic, returns),
        ]
    for n in steps:
        estimator = LambdaReturn(1.0) if n is None else NStep(n)
        name = f"n = {'∞' if n is None else n}"
        found.append(Combination(name, StateValue(), critic, estimator, curve="n"))
    for lambda_ in lambdas:
        returns = LambdaReturn(lambda_)
        found.append(
            Combination(f"λ = {lambda_:g}", StateValue(), critic, returns, curve="λ"),
        )
    return found


@gin.register
@checked
def off_policy_combinations(
    max_ratio: Positive = 1.0, n: Count = 5, clip: Positive = 0.2
) -> list[Combination]:
    """Ways to use the data of an earlier policy μ, all with the baseline V(s).

    On fresh data every weight π/μ is 1, and those that do not bootstrap are one estimator, without
    bias. All share one ``VCritic`` and the network bound to it.

    Args:
        max_ratio: where weights are truncated, V-trace's ρ̄ and c̄ too.
        n: of the n-step return, which leaves less of μ in the return than Monte Carlo's.
        clip: PPO's ε.
    """
    critic: Critic = gin.get_configurable(VCritic)()
    truncated = ImportanceWeighted(max_ratio)
    whole, corrected = VTrace(None, None), VTrace(max_ratio, max_ratio)
    ways: list[tuple[str, ReturnEstimator, Surrogate]] = [
        ("unweighted", MonteCarlo(), ScoreFunction()),
        ("π/μ", MonteCarlo(), ImportanceWeighted(None)),
        (f"min({max_ratio:g}, π/μ)", MonteCarlo(), truncated),
        (f"n = {n}, π/μ", NStep(n), ImportanceWeighted(None)),
        ("V-trace, not truncated", whole, ImportanceWeighted(None)),
        (f"V-trace, ρ̄ = c̄ = {max_ratio:g}", corrected, truncated),
        (f"clipped, ε = {clip:g}", MonteCarlo(), ClippedSurrogate(clip)),
    ]
    return [
        Combination(name, StateValue(), critic, returns, surrogate=surrogate)
        for name, returns, surrogate in ways
    ]
