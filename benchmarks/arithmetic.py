"""What PPO's arithmetic alone takes: the floor under its steps per second on compiled environments.

    python benchmarks/arithmetic.py

Compiles, as the trainer does, loops over the passes of policy and critic alone (two networks of
64 × 64, four observations) on a minibatch: the matrix products; with tanh and its derivative; and
with Adam. Steps per second are those of four epochs of four minibatches of B × 128 steps, if a step
took nothing else. Medians of ``--rounds`` rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_EPOCHS, _MINIBATCHES, _ROWS = 4, 4, 128
_SHAPES = [[(4, 64), (64, 64), (64, outputs)] for outputs in (2, 1)]

State = list[tf.Tensor]


def gradients(x: tf.Tensor, weights: State, activated: bool) -> State:
    """One network, forwards and backwards, with its own output as the loss's derivative."""
    first, second, last = weights
    act: Callable[[tf.Tensor], tf.Tensor] = tf.tanh if activated else tf.identity
    h1 = act(x @ first)
    h2 = act(h1 @ second)
    out = h2 @ last
    back2 = tf.matmul(out, last, transpose_b=True)
    back2 = back2 * (1.0 - h2 * h2) if activated else back2
    back1 = tf.matmul(back2, second, transpose_b=True)
    back1 = back1 * (1.0 - h1 * h1) if activated else back1
    pairs = [(x, back1), (h1, back2), (h2, out)]
    return [tf.matmul(a, b, transpose_a=True) for a, b in pairs]


def minibatches(x: tf.Tensor, count: int, activated: bool, adam: bool) -> Any:
    """A compiled loop of ``count`` minibatches, each of which needs the weights of the last."""
    weights = [0.1 * tf.random.normal(shape) for shapes in _SHAPES for shape in shapes]
    zeros = [tf.zeros_like(w) for w in weights]

    def body(i: tf.Tensor, w: State, m: State, v: State) -> tuple[tf.Tensor, State, State, State]:
        grads = gradients(x, w[:3], activated) + gradients(x, w[3:], activated)
        if not adam:
            return i + 1, [a - 1e-9 * g for a, g in zip(w, grads, strict=True)], m, v
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads, strict=True)]
        w = [a - 1e-9 * b / (tf.sqrt(c) + 1e-5) for a, b, c in zip(w, m, v, strict=True)]
        return i + 1, w, m, v

    @tf.function(jit_compile=True, autograph=False)
    def loop(w: State) -> tf.Tensor:
        _, w, _, _ = tf.while_loop(
            lambda i, *_: i < count, body, (tf.constant(0), w, zeros, zeros), parallel_iterations=1
        )
        return w[0]

    return lambda: loop(weights).numpy()


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    kinds = {"products": (False, False), "with tanh": (True, False), "with Adam": (True, True)}
    print("| copies | passes | microseconds a minibatch | steps/s if nothing else were done |")
    print("|---|---|---|---|")
    for copies in (4, 64, 512):
        rows = copies * _ROWS // _MINIBATCHES
        count = max(4, 400_000 // rows)
        x = tf.random.normal((rows, 4))
        loops = {name: minibatches(x, count, *kind) for name, kind in kinds.items()}
        times: dict[str, list[float]] = {name: [] for name in loops}
        for turn in range(args.rounds + 1):
            for name, loop in loops.items():
                began = time.perf_counter()
                loop()
                if turn:
                    times[name].append((time.perf_counter() - began) / count)
        for name, taken in times.items():
            each = statistics.median(taken)
            rate = rows / (_EPOCHS * each)
            print(f"| {copies} | {name} | {1e6 * each:,.0f} | {rate:,.0f} |")


if __name__ == "__main__":
    main()
