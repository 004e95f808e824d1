"""PureJaxRL's PPO with one epoch and one minibatch (the work of A2C), to set beside ours.

    git clone https://github.com/luchris429/purejaxrl
    python -m venv jaxpeer && jaxpeer/bin/pip install jax==0.10.2 gymnax==0.0.9 flax optax distrax
    jaxpeer/bin/python benchmarks/peer_purejaxrl.py purejaxrl --envs 64

Two networks of 64×64 tanh and T = 5 on gymnax's CartPole-v1. Prints a line of JSON; compilation is
not counted.
"""

import argparse
import json
import sys
import time
from unittest import mock

import jax

ROLLOUT = 5
STEPS = {8: 800_000, 64: 2_000_000, 512: 4_000_000}  # a few seconds each


def main() -> None:
    """Measures one number of environments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout")
    parser.add_argument("--envs", type=int, default=8)
    args = parser.parse_args()
    # Newer JAX has no such name, and CartPole needs none of these packages.
    jax.tree_map = jax.tree_util.tree_map
    for name in ("brax", "brax.envs", "brax.envs.wrappers", "brax.envs.wrappers.training", "navix"):
        sys.modules[name] = mock.MagicMock()
    sys.path[:0] = [args.checkout, f"{args.checkout}/purejaxrl"]
    from purejaxrl import ppo

    batch = ROLLOUT * args.envs
    steps = STEPS.get(args.envs, 4_000_000) // batch * batch
    config = {
        **{"ENV_NAME": "CartPole-v1", "NUM_ENVS": args.envs, "NUM_STEPS": ROLLOUT},
        **{"TOTAL_TIMESTEPS": steps, "UPDATE_EPOCHS": 1, "NUM_MINIBATCHES": 1},
        **{"LR": 7e-4, "ANNEAL_LR": False, "GAMMA": 0.99, "GAE_LAMBDA": 1.0, "CLIP_EPS": 0.2},
        **{"ENT_COEF": 0.0, "VF_COEF": 0.5, "MAX_GRAD_NORM": 0.5, "ACTIVATION": "tanh"},
        "DEBUG": False,
    }
    key = jax.random.PRNGKey(0)
    train = jax.jit(ppo.make_train(config)).lower(key).compile()
    began = time.perf_counter()
    jax.block_until_ready(train(key))
    rate = steps / (time.perf_counter() - began)
    print(json.dumps({"envs": args.envs, "steps_per_second": round(rate)}))


if __name__ == "__main__":
    main()
