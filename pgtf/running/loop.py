"""One run of a trainer, from its start or its last checkpoint to its end."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pgtf.environments.halting import Halted
from pgtf.errors import TrainingError, here
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.rollouts.window import EpisodeWindow
from pgtf.running.both_ways import BothWays
from pgtf.running.callbacks import Callbacks, Snapshot
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.evaluation import Evaluation, Score
from pgtf.running.failures import environment_failures
from pgtf.running.finiteness import Diverged, Finiteness
from pgtf.running.interruption import Interruption
from pgtf.running.journal import Journal
from pgtf.running.pace import Pace
from pgtf.running.progress import ProgressDisplay
from pgtf.running.repeating import fingerprint, versions
from pgtf.running.run_folder import RunFolder
from pgtf.running.safeguards import Safeguard
from pgtf.trainers.trainer import Trainer

_CALL_SECONDS = 0.25  # After which the progress is shown and a signal is heeded.


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
        safeguard: Safeguard,
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
        self._safeguard = safeguard
        saved = self._resume()
        self._resumed = saved is not None
        self._first = self._steps
        self._pace = Pace((saved or {}).get("wall_seconds", 0.0))
        self._finiteness = Finiteness(trainer, safeguard, self._checkpoints.broken)
        self._announced: int | None = None
        trainer.call_seconds = _CALL_SECONDS

    def _resume(self) -> dict[str, Any] | None:
        """Goes on where the last checkpoint was, and returns what was saved with it."""
        restored = self._checkpoints.restore()
        saved = restored or {}
        if restored is not None:
            self._trainer.restored(saved.get("trainer", {}))
        horizon = self._trainer.horizon
        ended = horizon.resume(saved.get("horizon"), self._total_steps, self._steps)
        self._without_schedules = ended and self._steps < self._total_steps
        window = EpisodeWindow(saved.get("episodes", ()))
        self._journal = Journal(self._folder, window, None if restored is None else self._steps)
        self._seen = self._steps
        return restored

    @property
    def _steps(self) -> int:
        return int(self._trainer.steps.numpy())

    @property
    def _goes_on(self) -> bool:
        return self._steps < self._total_steps and self._callbacks.stopped_by is None

    def stop(self) -> None:
        """Makes ``run`` save and return soon; called in any thread, once a signal is noted."""
        self._trainer.stop()
        self._evaluation.stop()

    def run(
        self, interruption: Interruption, display: ProgressDisplay, seed: int
    ) -> dict[str, Any]:
        """Trains to the end, or to an interruption.

        Raises:
            TrainingError: the run cannot go on.
        """
        self._interruption = interruption
        verb = f"Resuming at {self._first:,} steps" if self._resumed else "Training"
        display.say(f"{verb}: {here(self._folder.path)}")
        if self._without_schedules:
            display.say(
                "Schedules over the run have ended, and keep their last values for the added steps;"
                " for longer ones start a new run with this train.total_steps."
            )
        scores: dict[str, Score] = {}
        both = BothWays({}, {})
        try:
            rate = self._train(display)
            if self._evaluation.final_episodes:
                display.stage("final evaluation")
                with contextlib.suppress(Halted):
                    scores = self._evaluate(self._evaluation.final_episodes)
                    both = self._both_ways(scores)
        except TrainingError as error:
            raise TrainingError(f"{error} {self._last_checkpoint()}") from error
        if both.differ:
            display.say(str(both))
        facts = {
            "environment": self._trainer.environment.name,
            "seed": seed,
            "steps": self._steps,
            "wall_seconds": round(self._pace.seconds, 3),
            "compile_seconds": round(self._pace.compile_seconds, 3),
            "steps_per_second": None if rate is None else round(rate, 1),
            "stopped_by": self._callbacks.stopped_by,
            "policy_sha256": fingerprint(self._policies().values()),
            "versions": versions(),
            **both.facts,
        }
        return self._journal.summarise(facts, None if scores else interruption.signal, scores)

    def _train(self, display: ProgressDisplay) -> float | None:
        """Trains to the last step, saves, and returns the steps per second."""
        display.stage("compiling")
        told = False
        if self._safeguard.retreats and self._checkpoints.latest is None:
            self._save()
        while True:
            try:
                with contextlib.suppress(Halted):
                    while self._goes_on and self._interruption.signal is None:
                        self._advance()
                        if self._pace.compiled and not told:
                            display.say(f"Compiled in {self._pace.compile_seconds:.1f} s")
                            told = True
                        rate = self._pace.rate(self._seen)
                        display.update(self._seen, rate, self._journal.mean_return)
                if self._journal.waits:
                    self._log()
                rate = self._pace.rate(self._steps)
                self._checkpoint()
            except Diverged as error:
                self._go_back(error, display)
            else:
                return rate

    def _advance(self) -> None:
        """Calls the trainer once, and does what is due then."""
        self._iterate()
        if self._passed(self._log_every):
            self._log()
        every = self._evaluation.every
        if self._goes_on and every and self._passed(every):
            self._evaluate(self._evaluation.episodes)
        if self._passed(self._checkpoint_every):
            self._checkpoint()
        self._seen = self._steps

    def _go_back(self, error: Diverged, display: ProgressDisplay) -> None:
        """Resumes from the last checkpoint with smaller steps, or raises the error."""
        factor = self._safeguard.retreat()
        if factor is None or self._checkpoints.latest is None:
            raise error
        scale = factor * float(self._trainer.horizon.step_scale.numpy())
        self._journal.close()
        self._resume()
        self._trainer.horizon.scale_steps(scale)
        self._pace.went_back(self._steps)
        self._finiteness.forget()
        display.say(
            f"{str(error).split(', so ')[0]}: going back to {self._steps:,} steps, with learning"
            f" rates times {scale:g}."
        )

    def close(self) -> None:
        """Closes the files."""
        self._journal.close()

    def _passed(self, every: int) -> bool:
        """Whether the last call crossed a multiple of ``every`` steps."""
        return self._steps // every > self._seen // every

    def _iterate(self) -> None:
        periods = (self._log_every, self._evaluation.every, self._checkpoint_every)
        steps = self._steps
        limit = min(self._total_steps, *((steps // e + 1) * e for e in periods if e))
        began = time.perf_counter()
        with self._saved_on_failure():
            report = self._trainer.iterate(limit)
        seconds = time.perf_counter() - began
        self._journal.add(self._finiteness.look_at(report))
        self._pace.called(seconds, len(report.episodes), self._steps)

    @contextlib.contextmanager
    def _saved_on_failure(self) -> Iterator[None]:
        try:
            with environment_failures(self._trainer):
                yield
        except TrainingError as error:
            if self._interruption.signal is not None:
                # A signal to a group of processes ends those of the environments too.
                raise Halted from error
            self._save()
            raise

    def _last_checkpoint(self) -> str:
        if self._checkpoints.latest is None:
            return "There is no checkpoint yet."
        return (
            f"The last checkpoint is {here(self._checkpoints.latest)}; to resume from it,"
            f" run the same command with --logdir={here(self._folder.path)}."
        )

    def _log(self) -> None:
        with self._pace.pause():
            scalars = self._journal.log(self._steps, self._pace.rate(self._steps))
            self._call_back(self._callbacks.log, scalars)

    def _call_back(
        self, callbacks: Callable[[Snapshot], None], scalars: Mapping[str, float]
    ) -> None:
        episodes = self._journal.window.count
        try:
            callbacks(Snapshot(self._steps, scalars, episodes, self._policy, self._folder.path))
        except TrainingError:
            self._save()
            raise

    def _evaluate(self, episodes: int) -> dict[str, Score]:
        """Scores every trained policy, by its name.

        Raises:
            Halted: a signal came.
        """
        with self._pace.pause():
            self._finiteness.look_at_variables()
            scores = self._score(episodes)
            scalars = self._journal.evaluated(self._steps, scores)
            self._keep_if_best(scalars["eval/mean_reward"])
            self._call_back(self._callbacks.evaluation, scalars)
        return scores

    def _both_ways(self, scores: dict[str, Score]) -> BothWays:
        """Plays the final evaluation the other way too, where it is to be compared.

        A signal meanwhile leaves it out; the scores are known already.
        """
        others: dict[str, Score] = {}
        if self._evaluation.compare:
            with self._pace.pause(), contextlib.suppress(Halted):
                others = self._score(self._evaluation.final_episodes, otherwise=True)
        both = BothWays(*((scores, others) if self._evaluation.greedy else (others, scores)))
        self._journal.compared(self._steps, both.scalars)
        return both

    def _score(self, episodes: int, otherwise: bool = False) -> dict[str, Score]:
        """Plays with every trained policy, by its name; see ``Evaluation.score``.

        Raises:
            Halted: a signal came.
        """
        scores: dict[str, Score] = {}
        with self._saved_on_failure():
            for member in self._trainer.members():
                if self._interruption.signal is not None:
                    raise Halted
                scores[member] = self._evaluation.score(episodes, otherwise)
        return scores

    def _keep_if_best(self, score: float) -> None:
        best = self._checkpoints.best_score
        if math.isfinite(score) and (best is None or score >= best):
            self._save()
            self._checkpoints.keep_best(score)

    def _checkpoint(self) -> None:
        with self._pace.pause():
            self._save()
            if self._announced != self._steps:  # The last one may be one of the regular ones.
                self._announced = self._steps
                self._call_back(self._callbacks.checkpoint, {})

    def _save(self) -> None:
        """Saves a checkpoint, unless a number in it is not finite.

        Raises:
            TrainingError: it says so, or the checkpoint cannot be written.
        """
        self._journal.flush()
        values = {
            "episodes": list(self._journal.window.rows),
            "wall_seconds": self._pace.seconds,
            "horizon": self._trainer.horizon.state(),
            "trainer": self._trainer.saving(),
        }
        self._finiteness.look_at_variables()
        self._checkpoints.save(values, self._policies())

    def _policies(self) -> dict[str, list[np.ndarray]]:
        trainer = self._trainer
        return {m: [v.numpy() for v in trainer.core_policy.variables] for m in trainer.members()}
