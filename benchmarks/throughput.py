"""Environment steps per second, learning included, in turns with a peer or with another checkout.

    python benchmarks/throughput.py                      # Gymnasium environments, a2c.gin
    python benchmarks/throughput.py --compiled           # environments written in TensorFlow
    python benchmarks/throughput.py --algorithm ppo      # ppo.gin
    python benchmarks/throughput.py --peer PYTHON        # beside Stable-Baselines3 (peer_sb3.py)
    python benchmarks/throughput.py --compiled --peer PYTHON --purejaxrl CHECKOUT
    python benchmarks/throughput.py --against CHECKOUT   # beside another version of pgtf

Every side has a process of its own that traces, compiles and warms up; then they take short turns
(``turns.py``). Two processes of the same program differ by some 5 %: ``--restarts 4`` starts each
side four times. The peers' files say what their interpreters need. Prints a table: medians of the
turns, and ratios within the rounds, quartiles in brackets.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

import turns


class Row(NamedTuple):
    """A configuration: what ours is started with, and the arguments of the peer's script."""

    environment: str
    num_envs: int
    files: list[str]
    peer: list[str]


def gymnasium(environment: str, num_envs: int, files: list[str], *peer: str) -> Row:
    """A row on Gymnasium environments."""
    arguments = [environment, "--envs", str(num_envs), "--turns", *peer]
    return Row(environment, num_envs, files, arguments)


def compiled(num_envs: int, files: list[str], *peer: str) -> Row:
    """A row on the compiled CartPole."""
    arguments = ["--envs", str(num_envs), "--turns", *peer]
    return Row("CartPole-v1", num_envs, [*files, "envs/compiled.gin"], arguments)


ROWS = {
    ("a2c", False): [
        gymnasium("CartPole-v1", 8, ["a2c.gin"]),
        gymnasium("CartPole-v1", 64, ["a2c.gin"]),
        gymnasium("CartPole-v1", 512, ["a2c.gin"]),
        gymnasium("HalfCheetah-v5", 8, ["a2c.gin"]),
    ],
    ("a2c", True): [compiled(num_envs, ["a2c.gin"]) for num_envs in (8, 64, 512, 4096)],
    ("ppo", False): [gymnasium("CartPole-v1", 8, ["ppo.gin"], "--ppo")],
    ("ppo", True): [compiled(num_envs, ["ppo.gin"], "--ppo") for num_envs in (4, 64, 512)],
}
# Peers compute the targets of PPO once an update.
PEERS = ["Epochs.recompute_targets = False"]
# PureJaxRL's own settings of PPO.
PUREJAXRL = [
    "Rollouts.num_steps = 128",
    "LambdaReturn.lambda_ = 0.95",
    "Learner.discount = 0.99",
    "EntropyBonus.coefficient = 0.01",
    "ClippedSurrogate.clip = 0.2",
    "JointLoss.clip = 0.2",
    "Epochs.num_epochs = 4",
    "Epochs.num_minibatches = 4",
    "PolynomialDecay.initial_learning_rate = 2.5e-4",
]


def serve(row: Row, bindings: list[str]) -> None:
    """Trains in this process, for as many seconds as each line of the standard input says."""
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime

    named = [f"ENVIRONMENT = '{row.environment}'", f"NUM_ENVS = {row.num_envs}"]
    configuration.load(row.files, [*named, *bindings])
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(0)
    trainer = gin.get_configurable("SynchronousTrainer")()
    trainer.build(0)
    turns.timed(trainer, 2.0)
    turns.serve(lambda seconds: turns.timed(trainer, seconds))
    trainer.close()


def measure(index: int, row: Row, args: argparse.Namespace) -> dict[str, list[turns.Turn]]:
    """Lets the sides of a row take turns."""
    ours = [sys.executable, __file__, "--here", str(index), f"--algorithm={args.algorithm}"]
    ours += ["--compiled"] * args.compiled
    ours += [f"--gin_param={binding}" for binding in args.gin_param]
    commands: dict[str, tuple[list[str], dict[str, str] | None]] = {"pgtf": (ours, None)}
    if args.against:
        before = {**os.environ, "PYTHONPATH": str(Path(args.against).resolve())}
        commands["against"] = (ours, before)
    if args.peer:
        script = Path(__file__).with_name("peer_purejaxrl.py" if args.compiled else "peer_sb3.py")
        checkout = [args.purejaxrl] if args.compiled else []
        commands["peer"] = ([args.peer, str(script), *checkout, *row.peer], None)
    played: dict[str, list[turns.Turn]] = {side: [] for side in commands}
    for _ in range(args.restarts):
        for side, its_turns in turns.play(commands, args.rounds, args.seconds).items():
            played[side] += its_turns
    return played


def main() -> None:
    """Measures every configuration, or serves the one asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", choices=["a2c", "ppo"], default="a2c")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--environment", help="only this environment")
    parser.add_argument("--envs", type=int, help="only this number of environments")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each side")
    parser.add_argument("--restarts", type=int, default=1, help="times each side is started anew")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn")
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter that has the peer")
    parser.add_argument("--purejaxrl", metavar="CHECKOUT", help="the compiled peer's checkout")
    parser.add_argument("--against", metavar="CHECKOUT", help="another checkout of pgtf")
    parser.add_argument("--gin_param", action="append", default=[], metavar="BINDING")
    parser.add_argument("--here", type=int, metavar="ROW", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.compiled and args.peer and not args.purejaxrl:
        parser.error("--compiled --peer needs --purejaxrl, the path of its checkout.")
    rows = ROWS[args.algorithm, args.compiled]
    own = [] if args.algorithm == "a2c" else PEERS + PUREJAXRL * args.compiled
    if args.here is not None:
        serve(rows[args.here], [*own, *args.gin_param])
        return

    sides = ["against"] * bool(args.against) + ["peer"] * bool(args.peer)
    count = args.restarts * args.rounds
    print(f"{os.cpu_count()} cores, {count} rounds of {args.seconds:g} seconds:\n")
    heads = ["environment", "copies", "steps/s"]
    for side in sides:
        heads += [f"{side}'s steps/s", f"ratio to {side}"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for index, row in enumerate(rows):
        if args.environment in (None, row.environment) and args.envs in (None, row.num_envs):
            played = measure(index, row, args)
            cells = [row.environment, str(row.num_envs), turns.spread(turns.rates(played["pgtf"]))]
            for side in sides:
                cells += [turns.spread(turns.rates(played[side]))]
                cells += [turns.ratio(played["pgtf"], played[side])]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
