"""PureJaxRL's PPO, or with one epoch and one minibatch (the work of A2C), to set beside ours.

    git clone https://github.com/luchris429/purejaxrl
    python -m venv jaxpeer && jaxpeer/bin/pip install jax==0.10.2 gymnax==0.0.9 flax optax distrax
    jaxpeer/bin/python benchmarks/peer_purejaxrl.py purejaxrl --envs 64

Two networks of 64×64 tanh on gymnax's CartPole-v1. As A2C: T = 5; with ``--ppo`` PureJaxRL's own
settings (T = 128, four epochs of four minibatches). Prints a line of JSON; compilation is not
counted. ``throughput.py --compiled --peer`` runs it with ``--turns``.
"""

import argparse
import json
import sys
import time
from typing import Any
from unittest import mock

import jax
import turns

STEPS = {4: 400_000, 8: 800_000, 64: 1_600_000, 512: 3_200_000}  # of one call


def program(checkout: str, num_envs: int, is_ppo: bool) -> tuple[Any, Any, int]:
    """The compiled training, its key, and the steps that it takes."""
    # Newer JAX has no such name, and CartPole needs none of these packages.
    jax.tree_map = jax.tree_util.tree_map
    for name in ("brax", "brax.envs", "brax.envs.wrappers", "brax.envs.wrappers.training", "navix"):
        sys.modules[name] = mock.MagicMock()
    sys.path[:0] = [checkout, f"{checkout}/purejaxrl"]
    from purejaxrl import ppo

    rollout = 128 if is_ppo else 5
    steps = STEPS.get(num_envs, 3_200_000) // (rollout * num_envs) * rollout * num_envs
    config = {
        **{"ENV_NAME": "CartPole-v1", "NUM_ENVS": num_envs, "NUM_STEPS": rollout},
        **{"TOTAL_TIMESTEPS": steps, "UPDATE_EPOCHS": 1, "NUM_MINIBATCHES": 1},
        **{"LR": 7e-4, "ANNEAL_LR": False, "GAMMA": 0.99, "GAE_LAMBDA": 1.0, "CLIP_EPS": 0.2},
        **{"ENT_COEF": 0.0, "VF_COEF": 0.5, "MAX_GRAD_NORM": 0.5, "ACTIVATION": "tanh"},
        "DEBUG": False,
    }
    if is_ppo:
        config |= {"UPDATE_EPOCHS": 4, "NUM_MINIBATCHES": 4, "LR": 2.5e-4, "ANNEAL_LR": True}
        config |= {"GAE_LAMBDA": 0.95, "ENT_COEF": 0.01}
    key = jax.random.PRNGKey(0)
    return jax.jit(ppo.make_train(config)).lower(key).compile(), key, steps


def main() -> None:
    """Measures one number of environments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--ppo", action="store_true", help="its own settings of PPO")
    parser.add_argument("--turns", action="store_true", help="serve turns; see turns.py")
    args = parser.parse_args()
    compiled, key, steps = program(args.checkout, args.envs, args.ppo)

    def train(seconds: float) -> dict[str, float]:
        """Whole calls, until the seconds are used up."""
        calls, began, processor = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() < began + seconds:
            jax.block_until_ready(compiled(key))
            calls += 1
        wall, busy = time.perf_counter() - began, time.process_time() - processor
        return {"steps_per_second": calls * steps / wall, "cores": busy / wall}

    train(0.1)
    if args.turns:
        turns.serve(train)
        return
    rate = train(2.0)["steps_per_second"]
    print(json.dumps({"envs": args.envs, "steps_per_second": round(rate)}))


if __name__ == "__main__":
    main()
