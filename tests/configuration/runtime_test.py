"""TensorFlow's thread pools and compiled programs, as ``runtime`` sets them."""

import os
from pathlib import Path

import gin
import pytest
import tensorflow as tf

from pgtf import parts  # noqa: F401 (registers what gin files bind)
from pgtf.configuration import configuration
from pgtf.configuration.runtime import runtime
from pgtf.errors import ConfigurationError
from tests.short_runs import QUICK, flags, start

EIGEN = "--xla_cpu_multi_thread_eigen"


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What ``runtime`` sets, on a machine with four cores."""
    seen: dict[str, int] = {}
    for name in ("intra", "inter"):
        monkeypatch.setattr(
            tf.config.threading,
            f"set_{name}_op_parallelism_threads",
            lambda threads, name=name: seen.update({name: threads}),
        )
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setenv("XLA_FLAGS", "")
    return seen


@pytest.mark.parametrize(
    ("files", "bindings", "expected"),
    [
        (["a2c.gin"], ["NUM_ENVS = 512"], {"intra": 1, "inter": 1}),
        (["compiled.gin"], [], {"intra": 1, "inter": 1}),
        (["compiled.gin"], ["NUM_ENVS = 64"], {"intra": 2, "inter": 1}),
        (["compiled.gin"], ["NUM_ENVS = 4096"], {"intra": 4, "inter": 1}),
        (["compiled.gin"], ["train.num_seeds = 12"], {"intra": 3, "inter": 1}),
        (["variance_slides.gin"], [], {"intra": 2, "inter": 1}),  # 64 copies of another part
        (["a2c.gin"], ["CompiledEnvironment.num_envs = 64"], {"intra": 1, "inter": 1}),
        (["a3c.gin"], ["NUM_WORKERS = 3"], {"intra": 1, "inter": 3}),
        ([], ["train.trainer = @AsynchronousTrainer()"], {"intra": 1, "inter": 2}),
        (["a2c.gin", "envs/pong.gin"], [], {"intra": 2, "inter": 1}),  # convolutions
        (["a3c.gin", "envs/pong.gin"], ["NUM_WORKERS = 4"], {"intra": 1, "inter": 4}),
        (["a2c.gin"], ["Policy.network = @AtariNetwork()"], {"intra": 2, "inter": 1}),
        (["a2c.gin"], ["AsynchronousTrainer.num_workers = 4"], {"intra": 1, "inter": 1}),
        # The environment's own module imports Keras: a spare thread for what it computes.
        (["a2c.gin"], ["ENVIRONMENT = 'tests.faults.learned:L-v0'"], {"intra": 1, "inter": 2}),
        (
            ["a3c.gin"],
            ["NUM_WORKERS = 3", "ENVIRONMENT = 'tests.faults.learned:L-v0'"],
            {"intra": 1, "inter": 4},
        ),
        (["a2c.gin"], ["ENVIRONMENT = 'nowhere:L-v0'"], {"intra": 1, "inter": 1}),
        (
            ["a3c.gin"],
            [
                *("TRAINER = @mine/AsynchronousTrainer()", "train.trainer = %TRAINER"),
                "mine/AsynchronousTrainer.num_workers = 3",
            ],
            {"intra": 1, "inter": 3},
        ),
        (
            ["a3c.gin", "envs/compiled.gin"],
            ["NUM_ENVS = 512"],
            {"intra": 2, "inter": 2},  # the cores are shared between two workers
        ),
        (["a3c.gin"], ["runtime.inter_op_threads = 0"], {"intra": 1, "inter": 0}),
        (
            ["compiled.gin"],
            ["NUM_ENVS = 64", "runtime.intra_op_threads = 1"],
            {"intra": 1, "inter": 1},
        ),
    ],
)
def test_threads_follow_the_size_of_the_work(
    pools: dict[str, int], files: list[str], bindings: list[str], expected: dict[str, int]
) -> None:
    configuration.load(files, bindings)
    gin.get_configurable(runtime)()
    assert pools == expected
    assert (f"{EIGEN}=false" in os.environ["XLA_FLAGS"]) == (expected["intra"] == 1)


def test_the_users_own_flags_of_xla_stay(
    pools: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to=here {EIGEN}=true")
    runtime()
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=here {EIGEN}=true"


@pytest.mark.slow
def test_compiled_programs_are_kept_for_the_next_run(tmp_path: Path) -> None:
    """Of a command, where TensorFlow must not start before the folder is known."""
    cache = tmp_path / "cache"
    bindings = [*QUICK, "SynchronousTrainer.jit_compile = True", "Evaluation.every = None"]
    bindings += [f"runtime.compilation_cache = '{cache}'"]
    kept = []
    for name in ("first", "second"):
        process = start("pgtf", "train", f"--logdir={name}", *flags(*bindings), cwd=tmp_path)
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        kept.append({path.name: path.stat().st_mtime_ns for path in cache.iterdir()})

    assert kept[0]
    assert kept[1] == kept[0], "programs that were compiled again would be written again"


@pytest.mark.parametrize("name", ["intra_op_threads", "inter_op_threads"])
def test_a_negative_number_of_threads_is_refused(name: str, pools: dict[str, int]) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"runtime\.{name} must be at least 0 or None, not -1"
    ):
        runtime(**{name: -1})
    assert not pools
