"""One run of a trainer, from its start or its last checkpoint to its end."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gin
import numpy as np

from pgtf.configuration.bindings import hyperparameters
from pgtf.errors import TrainingError
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.rollouts.window import EpisodeWindow
from pgtf.running.callbacks import Callbacks, Snapshot
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.evaluation import Evaluation, Score
from pgtf.running.failures import environment_failures
from pgtf.running.interruption import Interruption
from pgtf.running.metrics import MetricsWriter
from pgtf.running.progress import ProgressDisplay
from pgtf.running.run_folder import RunFolder
from pgtf.trainers.seeds import interquartile_mean
from pgtf.trainers.trainer import Report, Trainer

_LOGS_PER_HISTOGRAM = 10


class Loop:
    """One run from its start, or its last checkpoint, to its end."""

    def __init__(
        self,
        folder: RunFolder,
        trainer: Trainer,
        total_steps: int,
        evaluation: Evaluation,
        log_every: int,
        checkpoint_every: int,
        callbacks: Callbacks,
        policy: NumpyPolicy,
    ):
        self._folder = folder
        self._trainer = trainer
        self._total_steps = total_steps
        self._evaluation = evaluation
        self._log_every = log_every
        self._checkpoint_every = checkpoint_every
        self._callbacks = callbacks
        self._policy = policy
        self._checkpoints = Checkpoints(folder.checkpoints, trainer.trackables(), trainer.steps)
        saved = self._checkpoints.restore()
        if saved is not None:
            trainer.restored(saved.get("trainer", {}))
        ended = trainer.horizon.resume((saved or {}).get("horizon"), total_steps, self._steps)
        self._without_schedules = ended and self._steps < total_steps
        self._window = EpisodeWindow((saved or {}).get("episodes", ()))
        self._earlier_seconds = (saved or {}).get("wall_seconds", 0.0)
        self._first = self._steps
        self._writer = MetricsWriter(folder.path, None if saved is None else self._first)
        self._resumed = saved is not None
        self._logs = 0
        self._began = time.perf_counter()
        self._steady: tuple[float, int] | None = None
        self._compile_seconds = 0.0
        self._pause = 0.0
        self._seen = self._first
        self._announced: int | None = None

    @property
    def _steps(self) -> int:
        return int(self._trainer.steps.numpy())

    @property
    def _goes_on(self) -> bool:
        return self._steps < self._total_steps and self._callbacks.stopped_by is None

    @property
    def _rate(self) -> float | None:
        """Steps per second since the first call, which traces; without evaluation and saving."""
        if self._steady is None:
            return None
        since, first = self._steady
        seconds = time.perf_counter() - since - self._pause
        return (self._steps - first) / seconds if self._steps > first else None

    def run(
        self, interruption: Interruption, display: ProgressDisplay, seed: int
    ) -> dict[str, Any]:
        """Trains to the end, or to an interruption.

        Raises:
            TrainingError: the run cannot go on.
        """
        verb = f"Resuming at {self._first:,} steps" if self._resumed else "Training"
        display.say(f"{verb}: {self._folder.path}")
        if self._without_schedules:
            display.say(
                "Schedules over the run have ended, and keep their last values for the added steps;"
                " for longer ones start a new run with this train.total_steps."
            )
        try:
            rate = self._train(interruption, display)
            scores: dict[str, Score] = {}
            if interruption.signal is None and self._evaluation.final_episodes:
                display.stage("final evaluation")
                scores = self._evaluate(self._evaluation.final_episodes)
        except TrainingError as error:
            raise TrainingError(f"{error} {self._last_checkpoint()}") from error
        return self._summarise(None if scores else interruption.signal, scores, rate, seed)

    def _train(self, interruption: Interruption, display: ProgressDisplay) -> float | None:
        """Trains to the last step, saves, and returns the steps per second."""
        pending: list[Report] = []
        display.stage("compiling")
        while self._goes_on and interruption.signal is None:
            pending.append(self._iterate())
            if len(pending) == 1 and self._seen == self._first:
                display.say(f"Compiled in {self._compile_seconds:.1f} s")
            if self._passed(self._log_every):
                self._log(pending)
                pending = []
            if self._goes_on and self._evaluation.every and self._passed(self._evaluation.every):
                self._evaluate(self._evaluation.episodes)
            if self._passed(self._checkpoint_every):
                self._checkpoint()
            self._seen = self._steps
            mean = self._window.scalars().get("rollout/ep_rew_mean")
            display.update(self._seen, self._rate, mean)
        if pending:
            self._log(pending)
        rate = self._rate
        self._checkpoint()
        return rate

    def close(self) -> None:
        """Closes the files."""
        self._writer.close()

    @property
    def _seconds(self) -> float:
        return self._earlier_seconds + time.perf_counter() - self._began

    def _passed(self, every: int) -> bool:
        """Whether the last call crossed a multiple of ``every`` steps."""
        return self._steps // every > self._seen // every

    def _iterate(self) -> Report:
        periods = (self._log_every, self._evaluation.every, self._checkpoint_every)
        steps = self._steps
        limit = min(self._total_steps, *((steps // e + 1) * e for e in periods if e))
        began = time.perf_counter()
        with self._saved_on_failure():
            report = self._trainer.iterate(limit)
        broken = [tag for tag, value in report.scalars.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                f"{broken[0]} is not finite after {self._steps:,} steps, so training stops; try a"
                " lower learning rate, a smaller Learner.max_gradient_norm or"
                " Learner.reward_scale."
            )
        self._window.add(report.episodes)
        if self._steady is None:
            self._compile_seconds = time.perf_counter() - began
            self._steady = (time.perf_counter(), self._steps)
        return report

    @contextlib.contextmanager
    def _saved_on_failure(self) -> Iterator[None]:
        try:
            with environment_failures(self._trainer):
                yield
        except TrainingError:
            self._save()
            raise

    def _last_checkpoint(self) -> str:
        if self._checkpoints.latest is None:
            return "There is no checkpoint yet."
        return (
            f"The last checkpoint is {self._checkpoints.latest}; to resume from it, run the same"
            f" command with --logdir={self._folder.path}."
        )

    def _log(self, reports: list[Report]) -> None:
        began = time.perf_counter()
        if not self._logs:
            self._describe()
        scalars: dict[str, float] = dict(self._window.scalars())
        values: dict[str, list[float]] = {}
        for report in reports:
            for tag, value in report.scalars.items():
                values.setdefault(tag, []).append(value)
        scalars |= {tag: float(np.mean(each)) for tag, each in values.items()}
        scalars |= reports[-1].counts
        if self._rate is not None:
            scalars["time/fps"] = self._rate
        self._writer.scalars(self._steps, scalars)
        if self._logs % _LOGS_PER_HISTOGRAM == 0:
            self._writer.histograms(self._steps, reports[-1].histograms)
        self._logs += 1
        self._call_back(self._callbacks.log, scalars)
        self._pause += time.perf_counter() - began

    def _call_back(
        self, callbacks: Callable[[Snapshot], None], scalars: Mapping[str, float]
    ) -> None:
        try:
            callbacks(
                Snapshot(self._steps, scalars, self._window.count, self._policy, self._folder.path)
            )
        except TrainingError:
            self._save()
            raise

    def _describe(self) -> None:
        """Writes the operative configuration, which gin knows once all parts have run."""
        operative = gin.operative_config_str()
        if not self._resumed or not self._folder.operative.exists():
            table = hyperparameters(self._folder.asked.read_text(), operative)
            self._writer.hparams(table, str(self._folder.path))
        self._writer.text("operative_config", operative, self._steps)
        self._folder.write_operative(operative)

    def _evaluate(self, episodes: int) -> dict[str, Score]:
        """Scores every trained policy, by its name."""
        began = time.perf_counter()
        with self._saved_on_failure():
            scores = {
                member: self._evaluation.score(episodes) for member in self._trainer.members()
            }
        means = [float(score.returns.mean()) for score in scores.values()]
        lengths = [float(score.lengths.mean()) for score in scores.values()]
        scalars = {
            "eval/mean_reward": interquartile_mean(means),
            "eval/mean_ep_length": interquartile_mean(lengths),
        }
        if len(means) > 1:
            scalars |= {f"{m}/eval_mean_reward": x for m, x in zip(scores, means, strict=True)}
        self._writer.scalars(self._steps, scalars)
        self._keep_if_best(scalars["eval/mean_reward"])
        self._call_back(self._callbacks.evaluation, scalars)
        self._pause += time.perf_counter() - began
        return scores

    def _keep_if_best(self, score: float) -> None:
        best = self._checkpoints.best_score
        if math.isfinite(score) and (best is None or score >= best):
            self._save()
            self._checkpoints.keep_best(score)

    def _checkpoint(self) -> None:
        began = time.perf_counter()
        self._save()
        if self._announced != self._steps:  # The last one may be one of the regular ones.
            self._announced = self._steps
            self._call_back(self._callbacks.checkpoint, {})
        self._pause += time.perf_counter() - began

    def _save(self) -> None:
        self._writer.flush()
        values = {
            "episodes": list(self._window.rows),
            "wall_seconds": self._seconds,
            "horizon": self._trainer.horizon.state(),
            "trainer": self._trainer.saving(),
        }
        variables = self._trainer.policy.variables
        policies = {
            member: [variable.numpy() for variable in variables]
            for member in self._trainer.members()
        }
        self._checkpoints.save(values, policies)

    def _summarise(
        self, number: int | None, scores: dict[str, Score], rate: float | None, seed: int
    ) -> dict[str, Any]:
        means = {member: float(score.returns.mean()) for member, score in scores.items()}
        returns = np.concatenate([np.zeros(0), *(score.returns for score in scores.values())])
        summary: dict[str, Any] = {
            "environment": self._trainer.environment.name,
            "seed": seed,
            "steps": self._steps,
            "wall_seconds": round(self._seconds, 3),
            "compile_seconds": round(self._compile_seconds, 3),
            "steps_per_second": None if rate is None else round(rate, 1),
            "stopped_by": self._callbacks.stopped_by,
            "interrupted": None if number is None else signal.Signals(number).name,
            "eval_return_mean": interquartile_mean(list(means.values())) if means else None,
            "eval_return_std": float(returns.std()) if means else None,
            "eval_episodes": len(returns),
            "logdir": str(self._folder.path),
        }
        if len(means) > 1:
            summary["eval_return_mean_of_seeds"] = means
        self._folder.write_summary(summary)
        return summary
