"""Kills actors of a run on Ray, and nodes under them, at random moments, and counts the steps.

python -m tests.faults.lost_actors --kills=50          # over the three modes; some ten minutes

Episodes never end, so that every rollout has the same number of steps: a step counted twice, or a
rollout applied twice, would show as steps that are not updates times the steps of one. Prints a
line of JSON for each mode. Needs pgtf[ray].
"""

import argparse
import json
import os
import random
import signal
import time
from typing import Any

MODES = ("synchronous", "asynchronous", "decoupled")
COPIES, ROWS, ACTORS = 2, 5, 2
PATIENCE = 90.0  # Seconds in which a lost actor has to be back.


def make(mode: Any, restarts: int) -> Any:
    """A trainer whose actors can make it again."""
    import pgtf

    learner = pgtf.Learner(
        pgtf.Policy(pgtf.MLP((8,))),
        pgtf.VCritic(pgtf.MLP((8,))),
        pgtf.StateValue(),
        returns=pgtf.VTrace(),
        surrogate=pgtf.ImportanceWeighted(),
    )
    environment = pgtf.GymEnvironment("tests.toy_environments:Endless-v0", COPIES)
    return pgtf.RayTrainer(
        learner,
        environment,
        pgtf.Rollouts(ROWS),
        mode,
        ACTORS,
        max_restarts=restarts,
        jit_compile=False,
    )


def train(trainer: Any, seconds: float, a_update: int) -> None:
    """Trains for a while, and holds the count of steps to that of updates."""
    deadline = time.monotonic() + seconds
    trainer.call_seconds = 0.1
    while time.monotonic() < deadline:
        trainer.iterate(2**62)
        steps, updates = int(trainer.steps.numpy()), int(trainer.updates.numpy())
        assert steps == a_update * updates, f"{steps} steps after {updates} updates"


def kill_an_actor(trainer: Any, rng: random.Random) -> None:
    """Ends the process of one that is alive."""
    import ray

    actor = trainer.fleet._actors[rng.randrange(ACTORS)]
    os.kill(ray.get(actor.__ray_call__.remote(lambda self: os.getpid())), signal.SIGKILL)


def play(cluster: Any, mode: str, kills: int, rng: random.Random) -> dict[str, Any]:
    """Trains in one mode, through so many kills of actors and nodes."""
    import functools

    import pgtf

    # A node takes up to all actors with it.
    trainer = pgtf.RayTrainer.made_by(functools.partial(make, mode, kills * ACTORS))
    trainer.build(0)
    a_update = ROWS * COPIES * (ACTORS if mode == "synchronous" else 1)
    nodes, back = 0, []
    for _ in range(kills):
        train(trainer, rng.uniform(0.2, 1.0), a_update)
        before, began = sum(trainer.fleet.restarts), time.monotonic()
        node = rng.random() < 0.3
        if node:
            (worker,) = [each for each in cluster.list_all_nodes() if not each.head]
            cluster.remove_node(worker)
            cluster.add_node(num_cpus=ACTORS)
            nodes += 1
        else:
            kill_an_actor(trainer, rng)
        # No actor may have been on the node.
        while sum(trainer.fleet.restarts) == before and time.monotonic() - began < 5.0:
            train(trainer, 0.2, a_update)
        assert node or sum(trainer.fleet.restarts) > before
        while trainer.fleet._starting:
            train(trainer, 0.2, a_update)
            assert time.monotonic() - began < PATIENCE
        back.append(time.monotonic() - began)
    result = {
        "mode": mode,
        "kills": kills,
        "of_nodes": nodes,
        "actors_lost": sum(trainer.fleet.restarts),
        "updates": int(trainer.updates.numpy()),
        "steps": int(trainer.steps.numpy()),
        "steps_of_the_updates": a_update * int(trainer.updates.numpy()),
        "seconds_until_back": round(sorted(back)[len(back) // 2], 1),
    }
    trainer.close()
    return result


def main() -> None:
    """Plays every mode that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=51)
    parser.add_argument("--modes", choices=MODES, nargs="*", default=list(MODES))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": ACTORS, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=ACTORS)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    for mode in args.modes:
        rng = random.Random(f"{args.seed} {mode}")
        kills = -(-args.kills // len(args.modes))
        print(json.dumps(play(cluster, mode, kills, rng)), flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
