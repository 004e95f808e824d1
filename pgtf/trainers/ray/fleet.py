"""The actors of a run as Ray keeps them: started, asked, lost and started again."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import logging

from pgtf.errors import ConfigurationError, TrainingError

_CLOSING = 1.0  # Seconds in which environments may be closed before their process is ended.


class Arrival(NamedTuple):
    """What came of a request.

    Attributes:
        actor: whose.
        ticket: that it was made with.
        value: what the method returned; None if the actor was lost.
        lost: whether it was.
    """

    actor: int
    ticket: Any
    value: Any
    lost: bool = False


class Fleet:
    """N actors on a Ray cluster.

    A lost actor (its process was killed, its node has gone) is started again; of what it was asked
    for nothing arrives but the news that it was lost. An exception in an actor is raised here.

    Args:
        address: of a running cluster; None for one on this machine, which ends with the run.
        arguments: of each ``RolloutActor``.
        cpus: of each actor.
        resources: of Ray that each actor takes besides, by name.
        max_restarts: how many lost actors are started again.
        start_timeout: seconds that starting may take.

    Attributes:
        restarts: of each actor.

    Raises:
        ConfigurationError: Ray is not installed, there is no cluster at the address, or it is too
            small.
    """

    def __init__(
        self,
        address: str | None,
        arguments: Sequence[tuple[Any, ...]],
        cpus: float,
        resources: Mapping[str, float],
        max_restarts: int,
        start_timeout: float,
    ):
        self._ray = _imported_ray()
        self._path = [entry or os.getcwd() for entry in sys.path]
        self._parcels = [self._ray.cloudpickle.dumps(each) for each in arguments]
        self._left = max_restarts
        self._most = max_restarts
        self._timeout = start_timeout
        self.restarts = [0] * len(arguments)
        self._pending: dict[Any, tuple[int, Any]] = {}
        self._starting: dict[Any, tuple[int, float]] = {}
        self._actors: list[Any] = []
        self._owns = not self._ray.is_initialized()
        if self._owns:
            self._connect(address, cpus)
        try:
            self._require(cpus)
        except ConfigurationError:
            self.close()
            raise
        self._class = self._ray.remote(_process()).options(
            num_cpus=cpus,
            resources=dict(resources),
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )

    def start(self) -> None:
        """Starts every actor, and returns once all are ready.

        Raises:
            ConfigurationError: the cluster has no place for one of them.
        """
        self._actors = [self._started(i) for i in range(len(self._parcels))]
        refs = list(self._starting)
        ready, late = self._ray.wait(refs, num_returns=len(refs), timeout=self._timeout)
        if late:
            free = self._ray.available_resources().get("CPU", 0.0)
            raise ConfigurationError(
                f"{len(late)} of {len(refs)} actors did not start within {self._timeout:g} s"
                f" (RayTrainer.start_timeout); the cluster has {free:g} free CPUs: bind"
                " RayTrainer.num_actors or cpus_per_actor to less."
            )
        self._starting.clear()
        for ref in ready:
            self._value(ref)

    def put(self, values: Any) -> Any:
        """Puts arrays into the object store, once for all actors."""
        return self._ray.put(values)

    def pending(self, actor: int) -> int:
        """How many requests an actor has not answered."""
        return sum(index == actor for index, _ in self._pending.values())

    def submit(self, actor: int, ticket: Any, method: str, *args: Any) -> None:
        """Asks an actor for something; ``wait`` returns it with the ticket."""
        self._pending[self._actors[actor].call.remote(method, *args)] = (actor, ticket)

    def wait(self, seconds: float) -> list[Arrival]:
        """Returns what arrives within a time; at once where something is there already.

        Raises:
            TrainingError: an actor was lost once too often, or found no place again.
            Exception: an actor raised it.
        """
        requests = [*self._starting, *self._pending]
        ready, _ = self._ray.wait(requests, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(requests, num_returns=len(requests), timeout=0)
        arrivals: list[Arrival] = []
        for ref in ready:
            # Requests of an actor that was lost meanwhile are forgotten already.
            if ref in self._starting:
                index, _ = self._starting.pop(ref)
                ticket = None
            elif ref in self._pending:
                index, ticket = self._pending.pop(ref)
            else:
                continue
            try:
                value = self._value(ref)
            except self._ray.exceptions.RayError as error:
                arrivals += self._replaced(index, ticket, error)
                continue
            if ticket is not None:
                arrivals.append(Arrival(index, ticket, value))
        self._check_starting()
        return arrivals

    def ask_all(self, method: str, arguments: Sequence[tuple[Any, ...]], seconds: float) -> list:
        """Asks every actor, behind what it was asked for before.

        Returns:
            What each returned; None of those that did not answer in time, or are lost.
        """
        refs = [
            actor.call.remote(method, *args)
            for actor, args in zip(self._actors, arguments, strict=True)
        ]
        ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=seconds)
        answers: list[Any] = []
        for ref in refs:
            answer = None
            if ref in ready:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    answer = self._value(ref)
            answers.append(answer)
        return answers

    def forget(self) -> None:
        """Lets go of everything that was asked for and has not arrived."""
        self._pending.clear()

    def close(self) -> None:
        """Ends the actors, and the cluster if it is the run's own."""
        if self._ray.is_initialized():
            with contextlib.suppress(Exception):
                self.ask_all("close", [()] * len(self._actors), _CLOSING)
            for actor in self._actors:
                self._ray.kill(actor)
            if self._owns:
                self._ray.shutdown()
        self._actors = []

    def _connect(self, address: str | None, cpus: float) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = address is None and "RAY_ADDRESS" not in os.environ
        sizes: dict[str, Any] = {}
        if own:
            # Actors may share cores: that is for the user to choose.
            needed = int(len(self._parcels) * cpus + 1)
            sizes = {"num_cpus": max(os.cpu_count() or 1, needed), "include_dashboard": False}
        try:
            self._ray.init(
                address="local" if own else address,
                log_to_driver=False,
                logging_level="error",
                **sizes,
            )
        except ConnectionError as error:
            raise ConfigurationError(
                f"There is no Ray cluster at RayTrainer.address = {address!r}: start one by"
                " 'ray start --head', or leave the address unbound for one on this machine."
            ) from error

    def _require(self, cpus: float) -> None:
        has = self._ray.cluster_resources().get("CPU", 0.0)
        if len(self._parcels) * cpus > has:
            raise ConfigurationError(
                f"RayTrainer.num_actors = {len(self._parcels)} with {cpus:g} CPUs each need"
                f" {len(self._parcels) * cpus:g}, and the cluster has {has:g}: bind fewer, or"
                " join more nodes to it."
            )

    def _started(self, index: int) -> Any:
        actor = self._class.remote()
        ready = actor.make.remote(self._path, self._parcels[index])
        self._starting[ready] = (index, time.monotonic() + self._timeout)
        return actor

    def _value(self, ref: Any) -> Any:
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise (cause if isinstance(cause, Exception) else RuntimeError(str(error))) from error

    def _replaced(self, index: int, ticket: Any, error: Exception) -> list[Arrival]:
        """Starts a lost actor again, and returns what it will not answer."""
        reason = f"{error}".strip().split("\n")[0].rstrip(".")
        if not self._left:
            raise TrainingError(
                f"actor {index} was lost, once more than RayTrainer.max_restarts ="
                f" {self._most}: {reason}."
            ) from error
        self._left -= 1
        self.restarts[index] += 1
        logging.warning(
            "Actor %d was lost (%s) and is started again; %d more may be lost.",
            index,
            reason,
            self._left,
        )
        mine = [ref for ref, (owner, _) in self._pending.items() if owner == index]
        tickets = [*([] if ticket is None else [ticket]), *(self._pending.pop(r)[1] for r in mine)]
        for ref in [ref for ref, (owner, _) in self._starting.items() if owner == index]:
            del self._starting[ref]
        with contextlib.suppress(Exception):
            self._ray.kill(self._actors[index])
        self._actors[index] = self._started(index)
        return [Arrival(index, each, None, lost=True) for each in tickets]

    def _check_starting(self) -> None:
        """Raises where nothing is left to wait for but an actor that finds no place."""
        waiting = {index for index, _ in self._starting.values()}
        if any(index not in waiting for index, _ in self._pending.values()):
            return
        for index, deadline in self._starting.values():
            if time.monotonic() > deadline:
                raise TrainingError(
                    f"actor {index} could not be started again within {self._timeout:g} s"
                    " (RayTrainer.start_timeout); the cluster may have too few CPUs left."
                )


def _imported_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(
            "RayTrainer needs Ray, which is not installed: pip install 'pgtf[ray]'."
        ) from error
    return ray


def _process() -> type:
    """The class of Ray's actors; made in here, Ray sends it whole instead of importing pgtf."""

    class Process:
        """Holds a ``RolloutActor``, made once the process is quiet."""

        def make(self, path: list[str], parcel: bytes) -> None:
            """Makes the actor; ``path`` is where Python looks for modules in the trainer."""
            import contextvars
            import pickle
            import sys

            sys.path += [entry for entry in path if entry not in sys.path]
            from pgtf.configuration.silence import quick_start

            with quick_start():
                from pgtf.trainers.ray.rollout_actor import RolloutActor
            args = pickle.loads(parcel)
            # Ray may call from several threads; gin's bindings belong to one context.
            self._context = contextvars.copy_context()
            self._actor = self._context.run(RolloutActor, *args)

        def call(self, method: str, *args: Any) -> Any:
            """Calls a method of it."""
            function: Callable[..., Any] = getattr(self._actor, method)
            return self._context.run(function, *args)

    return Process
