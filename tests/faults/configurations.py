"""Random configurations, most of them wrong, and what becomes of each before its first step.

``python -m tests.faults.configurations --count=5000 --seed=0`` tries as many and prints every one
that ends in anything but a run or one sentence.
"""

import argparse
import inspect
import json
import random
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 20.0  # A configuration that takes longer hangs.
BUILT_EVERY = 40  # Of those that can be made, how many also trace their graph, which takes seconds.

ALGORITHMS = ("a2c.gin", "a3c.gin", "es.gin", "cem.gin", "ppo.gin", "reinforce.gin", "compiled.gin")
NUMBERS = (
    *("0", "1", "-1", "2", "3", "7", "64", "0.5", "-0.5", "1.5", "0.0", "1e-300", "1e300", "1e999"),
    *("1e12", "9223372036854775808", "-9223372036854775809", str(10**30)),
    *("1e-7", "-1e-7", "3.0", "1_000", "0x10"),
)
PLAIN = (
    *("None", "True", "False", "''", "'x'", "'tanh'", "'loop'", "'é…'", "'a\\x00b'", "'%d {0}'"),
    *("()", "[]", "{}", "(1,)", "[1, 'a']", "(0,)", "(-1, 64)", "(64, 64)", "{'a': 1}", "{1: 2}"),
    *("[[1]]", "((16, 8, 4),)", "[None]", "(1e999,)", "{[1]: 2}", "b'bytes'", "1j", "..."),
)
ENVIRONMENTS = (
    *(
        "'CartPole-v1'",
        "'Pendulum-v1'",
        "'FrozenLake-v1'",
        "'CartPol-v1'",
        "''",
        "'no_module:X-v0'",
    ),
    *("'ALE/NoGame-v5'", "'tests.toy_environments:Counting-v0'", "'Acrobot-v1'", "'a/b:c'"),
)
ENORMOUS = (
    "NUM_ENVS = 1000000000000",
    "GymEnvironment.num_envs = 100000000000",
    "MLP.hidden = (1000000, 1000000)",
    "MLP.hidden = (100000000000,)",
    "Rollouts.num_steps = 1000000000000",
    "NUM_WORKERS = 100000000",
    "runtime.intra_op_threads = 100000000",
    "runtime.inter_op_threads = 100000000",
    "POPULATION = 100000000000",
    "AtariNetwork.units = 1000000000000",
)
MODULES = {
    "raises_at_import": "raise RuntimeError('at import')\n",
    "exits_at_import": "import sys\nsys.exit('no')\n",
    "exits_with_0": "raise SystemExit\n",
    "is_no_python": "def f(:\n",
    "imports_nothing_there": "import not_there_at_all\n",
    "is_fine": "x = 1\n",
}


class Trial(NamedTuple):
    """A configuration: gin files and bindings, and the files that are written for it first."""

    files: list[str]
    parameters: list[str]
    written: dict[str, str]


class Outcome(NamedTuple):
    """What became of a trial.

    ``kind`` is "made", "refused", "raw" (an exception without a sentence of ours), "long" (a
    message that nobody reads) or "hung".
    """

    kind: str
    message: str
    seconds: float


def trial(seed: int) -> Trial:
    """The trial of a seed; the parts must have been imported."""
    chance = random.Random(seed)
    kinds: list[Callable[[random.Random], Trial]] = [
        *[_bindings] * 12,
        *[_environment, _enormous, _structure, _nested, _broken, _module, _circle],
    ]
    return chance.choice(kinds)(chance)


def _bindings(chance: random.Random) -> Trial:
    """Some parameters of some parts, bound to anything."""
    algorithm = chance.choice(ALGORITHMS)
    keys = _keys()
    lines = [
        f"{chance.choice(keys)} = {_value(chance)}" for _ in range(chance.choice((1, 1, 2, 4)))
    ]
    return Trial([algorithm], lines, {})


def _value(chance: random.Random, depth: int = 0) -> str:
    kind = chance.randrange(7 if depth < 2 else 4)
    if kind < 2:
        return chance.choice(NUMBERS)
    if kind == 2:
        return chance.choice(PLAIN)
    if kind == 3:
        return chance.choice(("%NUM_ENVS", "%UNKNOWN", "%TASK", "%a/b", "@train()", "@runtime()"))
    if kind == 6:
        items = ", ".join(_value(chance, depth + 1) for _ in range(chance.randrange(4)))
        return chance.choice(("[{}]", "({},)", "{{'k': [{}]}}")).format(items).replace("(,)", "()")
    name = chance.choice(_names())
    scope = chance.choice(("", "", "", "inner/", "a/b/"))
    return f"@{scope}{name}{chance.choice(('()', '()', ''))}"


def _environment(chance: random.Random) -> Trial:
    value = chance.choice(ENVIRONMENTS)
    key = chance.choice(("ENVIRONMENT", "GymEnvironment.id", "CompiledEnvironment.id"))
    kwargs = chance.choice(
        ("", "{'x': 1}", "{1: 2}", "{'render_mode': 'none'}", "{'max_steps': -1}")
    )
    more = [f"GymEnvironment.kwargs = {kwargs}"] * bool(kwargs)
    return Trial([chance.choice(ALGORITHMS)], [f"{key} = {value}", *more], {})


def _enormous(chance: random.Random) -> Trial:
    more = chance.sample(ENORMOUS, 2)
    return Trial([chance.choice(ALGORITHMS)], more[: chance.randrange(1, 3)], {})


def _structure(chance: random.Random) -> Trial:
    """Files that include each other, many times, deeply or in a circle."""
    kind = chance.randrange(6)
    depth = chance.choice((3, 20, 40))
    if kind == 0:  # 2 to the power of depth, when each include is read again.
        written = {f"f{i}.gin": f"include 'f{i + 1}.gin'\n" * 2 for i in range(depth)}
        return Trial(["f0.gin"], [], {**written, f"f{depth}.gin": "include 'a2c.gin'\n"})
    if kind == 1:
        return Trial(["f.gin"], [], {"f.gin": "include 'a2c.gin'\n" * 2000})
    if kind == 2:
        chain = {f"f{i}.gin": f"include 'f{i + 1}.gin'\n" for i in range(2000)}
        return Trial(["f0.gin"], [], {**chain, "f2000.gin": ""})
    if kind == 3:
        return Trial(["f.gin"], [], {"f.gin": "include 'g.gin'", "g.gin": "include 'f.gin'"})
    if kind == 4:
        return Trial([chance.choice(("", ".", "/", "~nobody/x.gin", "x" * 5000, "a\0b"))], [], {})
    many = "".join(f"M{i} = %M{i + 1}\n" for i in range(2000))
    return Trial(["f.gin"], [], {"f.gin": f"include 'a2c.gin'\n{many}M2000 = 1\nNUM_ENVS = %M0\n"})


def _nested(chance: random.Random) -> Trial:
    depth = chance.choice((10, 90, 200, 1000, 5000))
    opened, closed = chance.choice((("[", "]"), ("(", ",)"), ("{'a': ", "}")))
    inner = chance.choice(("1", "@Learner()", ""))
    closings = closed * (depth - chance.randrange(2))
    return Trial(["a2c.gin"], [f"{chance.choice(_keys())} = {opened * depth}{inner}{closings}"], {})


def _broken(chance: random.Random) -> Trial:
    """A shipped file with some characters lost, doubled or replaced."""
    from pgtf.configuration.bindings import shipped_files

    text = list((shipped_files() / chance.choice(ALGORITHMS)).read_text())
    for _ in range(chance.choice((1, 2, 10))):
        at = chance.randrange(len(text))
        text[at] = chance.choice(("", text[at] * 2, "\0", "\n", "'", "(", "@", "%", "=", "é", "\t"))
    if chance.random() < 0.3:
        del text[chance.randrange(len(text)) :]
    return Trial(["f.gin"], [], {"f.gin": "".join(text)})


def _module(chance: random.Random) -> Trial:
    name = chance.choice([*MODULES, "not_there", "a.b.c", "os", "__gin__", "pgtf.launch"])
    line = chance.choice(
        ("import {}\n", "from {} import dynamic_registration\n", "import {} as x\n")
    )
    written = {f"{module}.py": text for module, text in MODULES.items()}
    return Trial(["f.gin"], [], {**written, "f.gin": line.format(name) + "include 'a2c.gin'\n"})


def _circle(chance: random.Random) -> Trial:
    circles = (
        ["Policy.head = @Joint()", "Joint.heads = [@Joint()]"],
        ["HEAD = @Joint()", "Policy.head = %HEAD", "Joint.heads = {'a': %HEAD}"],
        ["X = %Y", "Y = %X", "NUM_ENVS = %X"],
        ["GymEnvironment.kwargs = {'a': @train()}"],
        ["Policy.network = @s/gin.singleton()", "s/gin.singleton.constructor = @Policy"],
        ["TASK = @s/gin.singleton()", "s/gin.singleton.constructor = @gin.singleton"],
        ["Learner.policy = @a/Policy()", "a/Policy.network = @train()"],
    )
    return Trial(["a2c.gin"], list(chance.choice(circles)), {})


def _names() -> list[str]:
    from pgtf.configuration.gin_values import names

    return names()


def _keys() -> list[str]:
    """Every parameter that can be bound, those of pgtf's own parts more often."""
    if not _KEYS:
        import gin

        from pgtf.configuration import types

        for selector, known in gin.config._REGISTRY.items():
            module, _, name = selector.rpartition(".")
            if module == "gin":
                continue
            own = 6 if known.wrapped.__module__.startswith("pgtf.") else 1
            kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            _KEYS.extend(
                f"{name}.{parameter.name}"
                for parameter in types.parameters(selector).values()
                if parameter.kind not in kinds
                for _ in range(own)
            )
        _KEYS.extend(["NUM_ENVS", "TOTAL_STEPS", "TASK", "ENVIRONMENT"] * 10)
    return _KEYS


_KEYS: list[str] = []


def outcome(tried: Trial, build: bool) -> Outcome:
    """Makes what a trial asks for, in the current folder, up to its first step."""
    from pgtf.errors import ConfigurationError, TrainingError

    for name, text in tried.written.items():
        Path(name).write_text(text)
    start = time.monotonic()
    try:
        _make(tried, build)
        kind, message = "made", ""
    except (ConfigurationError, TrainingError) as error:
        message = str(error)
        own = "\n" not in message and "In call to" not in message and len(message) < 1500
        kind = "refused" if own else "long"
    except BaseException as error:
        kind, message = "raw", f"{type(error).__name__}: {error}"[:2000]
    return Outcome(kind, message, time.monotonic() - start)


def _make(tried: Trial, build: bool) -> None:
    import contextlib

    import gin

    from pgtf.configuration import configuration
    from pgtf.configuration.isolation import isolated
    from pgtf.configuration.runtime import runtime

    with isolated(), contextlib.ExitStack() as stack:
        configuration.load(tried.files, tried.parameters)
        configuration.call(gin.get_configurable(runtime))
        names = ("evaluation", "callbacks", "total_steps", "seed", "num_seeds", "log_every")
        for name in names:
            configuration.call(lambda name=name: configuration.bound(f"train.{name}", None))
        trainer = configuration.call(lambda: configuration.bound("train.trainer", None))
        if trainer is None:
            return
        stack.callback(trainer.close)
        if build:
            configuration.call(lambda: trainer.build(0))
        else:
            configuration.call(trainer.build_policy)


def work() -> None:
    """Reads seeds from stdin, one a line, and writes the outcome of each to stdout."""
    from pgtf import parts

    assert parts.__name__  # Registers every part.
    answers, sys.stdout = sys.stdout, sys.stderr  # Environments may print.
    made = 0
    path = list(sys.path)
    for line in sys.stdin:
        with tempfile.TemporaryDirectory() as folder:
            import os

            os.chdir(folder)
            tried = trial(int(line))
            found = outcome(tried, build=made % BUILT_EVERY == BUILT_EVERY - 1)
            os.chdir("/")
        made += found.kind == "made"
        sys.path[:] = path
        for module in MODULES:
            sys.modules.pop(module, None)
        print(json.dumps(found), file=answers, flush=True)


class Worker:
    """A process that makes one configuration after another, and is replaced when one hangs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.configurations", "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def outcome(self, seed: int, seconds: float) -> Outcome:
        """Returns the outcome of a seed; one that takes longer hangs, one that ends it is raw."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(seed, file=self._process.stdin, flush=True)
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            if not ready.select(seconds):
                return Outcome("hung", "", seconds)
        answer = self._process.stdout.readline()
        if not answer:
            return Outcome("raw", f"the process ended with {self._process.wait()}", 0.0)
        return Outcome(*json.loads(answer))

    def close(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def outcomes(seeds: range) -> Iterator[tuple[int, Outcome]]:
    """The outcome of each seed, in one process as long as that lives."""
    worker, first = Worker(), True
    try:
        for seed in seeds:
            # The first one waits for TensorFlow to be imported.
            found = worker.outcome(seed, SECONDS + 100.0 * first)
            first = False
            yield seed, found
            if found.kind == "hung" or found.message.startswith("the process ended"):
                worker.close()
                worker, first = Worker(), True
    finally:
        worker.close()


def described(seed: int, found: Outcome) -> str:
    """A fault, for whoever mends it."""
    from pgtf import parts

    assert parts.__name__
    tried = trial(seed)
    written = {name: text[:200] for name, text in list(tried.written.items())[:3]}
    return (
        f"seed {seed} {found.kind} after {found.seconds:.1f} s: {found.message}\n"
        f"  {tried.files} {[each[:200] for each in tried.parameters]} {written}"
    )


def main() -> None:
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    asked: Any = parser.parse_args()
    if asked.work:
        work()
        return
    kinds: Counter[str] = Counter()
    start = time.monotonic()
    for seed, found in outcomes(range(asked.seed, asked.seed + asked.count)):
        kinds[found.kind] += 1
        if found.kind not in ("made", "refused"):
            print(described(seed, found), flush=True)
    seeds = f"seeds {asked.seed} to {asked.seed + asked.count - 1}"
    print(f"{seeds}, {time.monotonic() - start:.0f} s: {dict(kinds)}")
    sys.exit(any(kind not in ("made", "refused") for kind in kinds))


if __name__ == "__main__":
    main()
