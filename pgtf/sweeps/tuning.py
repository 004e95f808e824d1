"""Runs of a sweep side by side on Ray Tune, which searches, stops, and restarts what was lost."""

import importlib
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pgtf.errors import ConfigurationError
from pgtf.sweeps.choices import Choice, Point, number
from pgtf.sweeps.results import Reached
from pgtf.sweeps.trial import SweepPlan, folder_name

_KEYS: dict[str, Any] = {
    "score": float("nan"),
    "sampled": float("nan"),
    "steps": 0,
    "status": "stopped",
}


class Tuning(NamedTuple):
    """How the runs are placed.

    Attributes:
        address: of a running cluster; None for one on this machine, which ends with the sweep.
        cpus: that Ray sets aside for a run.
        at_once: how many runs train at a time; 0 for as many as the cluster has CPUs for.
        restarts: how often a run that was lost is started again.
        stop_after: environment steps after which runs that are behind may be stopped (ASHA, Li et
            al. 2020, arXiv:1810.05934); 0 for never.
        total_steps: of a run.
    """

    address: str | None = None
    cpus: float = 1.0
    at_once: int = 0
    restarts: int = 3
    stop_after: int = 0
    total_steps: int = 0


def train_all(
    plan: SweepPlan,
    runs: Sequence[tuple[Point, int]],
    tuning: Tuning,
    ended: Callable[[Reached], None],
) -> None:
    """Trains the runs, each a configuration and a seed.

    Args:
        plan: what they share.
        runs: all of them.
        tuning: how they are placed.
        ended: is called with each run once it has ended.

    Raises:
        ConfigurationError: Ray Tune is not installed, or there is no cluster at the address.
    """
    tune = _imported("ray.tune")
    space = {"number": tune.grid_search(list(range(len(runs))))}
    _fit(plan, lambda config: runs[config["number"]], space, {}, tuning, ended)


def search_all(
    plan: SweepPlan,
    choices: Sequence[Choice],
    trials: int,
    seeds: tuple[int, int],
    known: Sequence[Reached],
    tuning: Tuning,
    ended: Callable[[Reached], None],
) -> None:
    """Lets Optuna's TPE choose configurations by what earlier ones have reached.

    Args:
        plan: what the runs share.
        choices: what is varied.
        trials: how many runs there are to be, the known ones not counted.
        seeds: of the search, and of every run.
        known: runs that have ended before.
        tuning: how the runs are placed.
        ended: is called with each run once it has ended.

    Raises:
        ConfigurationError: Ray Tune or Optuna is not installed, or there is no cluster at the
            address.
    """
    optuna, search = _imported("optuna"), _imported("ray.tune.search.optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seeds[0] + len(known))
    scored = [each for each in known if not math.isnan(each.score)]
    earlier: dict[str, Any] = {}
    if scored:
        earlier = {
            "points_to_evaluate": [_numbers(choices, each.point) for each in scored],
            "evaluated_rewards": [each.score for each in scored],
        }
    algorithm = search.OptunaSearch(
        {each.key: _distribution(optuna, each) for each in choices},
        metric="score",
        mode="max",
        sampler=sampler,
        **earlier,
    )

    def chosen(config: dict[str, Any]) -> tuple[Point, int]:
        return {each.key: _text(config[each.key]) for each in choices}, seeds[1]

    how = {"search_alg": algorithm, "num_samples": trials}
    _fit(plan, chosen, {}, how, tuning, ended)


def _text(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _numbers(choices: Sequence[Choice], point: Point) -> dict[str, Any]:
    """A configuration as Optuna knows it: texts from lists, and numbers from ranges."""
    kinds = {"": str, "randint": int, "uniform": float, "loguniform": float}
    return {each.key: kinds[each.distribution](point[each.key]) for each in choices}


def _distribution(optuna: Any, choice: Choice) -> Any:
    distributions = optuna.distributions
    if choice.values:
        return distributions.CategoricalDistribution(choice.values)
    if choice.distribution == "randint":
        return distributions.IntDistribution(int(choice.low), int(choice.high) - 1)
    logarithmic = choice.distribution == "loguniform"
    return distributions.FloatDistribution(choice.low, choice.high, log=logarithmic)


def _fit(
    plan: SweepPlan,
    chosen: Callable[[dict[str, Any]], tuple[Point, int]],
    space: dict[str, Any],
    how: dict[str, Any],
    tuning: Tuning,
    ended: Callable[[Reached], None],
) -> None:
    tune = _imported("ray.tune")
    callback: Any = tune.Callback

    def trial(config: dict[str, Any]) -> None:
        sys.path += [entry for entry in plan.path if entry not in sys.path]
        from pgtf.sweeps.trial import train_one

        train_one(plan, *chosen(config), lambda facts: tune.report(_KEYS | dict(facts)))

    class Ended(callback):
        """Hears of runs that have ended."""

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            ended(_reached(*chosen(trial.config), trial.last_result))

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            lost = {"status": f"lost {tuning.restarts + 1} times"}
            ended(_reached(*chosen(trial.config), trial.last_result | lost))

    scheduler = None
    if tuning.stop_after:
        scheduler = tune.schedulers.ASHAScheduler(
            time_attr="steps",
            metric="score",
            mode="max",
            grace_period=tuning.stop_after,
            # Of a run that reaches its end the last evaluation is awaited.
            max_t=10 * max(tuning.total_steps, tuning.stop_after),
            reduction_factor=3,
        )
    ray = _imported("ray")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, tuning)
    try:
        tune.Tuner(
            tune.with_resources(trial, {"cpu": tuning.cpus}),
            param_space=space,
            tune_config=tune.TuneConfig(
                scheduler=scheduler, max_concurrent_trials=tuning.at_once or None, **how
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(plan.folder),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=tuning.restarts),
                callbacks=[Ended()],
            ),
        ).fit()
    finally:
        if ours:
            ray.shutdown()


def _reached(point: Point, seed: int, result: dict[str, Any]) -> Reached:
    facts = _KEYS | {key: result[key] for key in _KEYS if key in result}
    return Reached(run=folder_name(point, seed), point=point, seed=seed, **facts)


def _connect(ray: Any, tuning: Tuning) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # A table of its own every few seconds.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    own = tuning.address is None and "RAY_ADDRESS" not in os.environ
    sizes: dict[str, Any] = {"include_dashboard": False} if own else {}
    try:
        ray.init(
            address="local" if own else tuning.address,
            log_to_driver=False,
            logging_level="error",
            **sizes,
        )
    except ConnectionError as error:
        raise ConfigurationError(
            f"There is no Ray cluster at --address={tuning.address}: start one by 'ray start"
            " --head', or leave the flag out for one on this machine."
        ) from error


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"A sweep needs Ray Tune and Optuna, and {error.name} is not installed: pip install"
            " 'pgtf[sweep]'."
        ) from error
