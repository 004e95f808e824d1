"""Environment steps per second, learning included.

    python benchmarks/throughput.py                 # Gymnasium environments
    python benchmarks/throughput.py --compiled      # environments written in TensorFlow

Every configuration runs in a process of its own and is measured several times after a warm-up that
traces and compiles; the configurations take turns, so that a machine whose speed drifts does not
favour one of them. Prints a line of JSON for each measurement's median.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

GYMNASIUM = [("CartPole-v1", 8), ("CartPole-v1", 64), ("CartPole-v1", 512), ("HalfCheetah-v5", 8)]
COMPILED = [("CartPole-v1", 8), ("CartPole-v1", 64), ("CartPole-v1", 512), ("CartPole-v1", 4096)]


def measure(environment: str, num_envs: int, compiled: bool, seconds: float) -> float:
    """Steps per second of ``a2c.gin`` here: T = 5, two networks of 64×64 tanh, RMSProp."""
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime

    files = ["a2c.gin"] + ["envs/compiled.gin"] * compiled
    bindings = [f"ENVIRONMENT = '{environment}'", f"NUM_ENVS = {num_envs}"]
    configuration.load(files, bindings)
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(0)
    trainer = gin.get_configurable("SynchronousTrainer")()
    trainer.build(0)
    never = 2**62
    until = time.perf_counter() + seconds / 4
    trainer.iterate(never)
    while time.perf_counter() < until:
        trainer.iterate(never)
    first, began = int(trainer.steps.numpy()), time.perf_counter()
    while time.perf_counter() < began + seconds:
        trainer.iterate(never)
    rate = (int(trainer.steps.numpy()) - first) / (time.perf_counter() - began)
    trainer.close()
    return rate


def main() -> None:
    """Measures every configuration, or the one asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--environment", help="only this Gymnasium id")
    parser.add_argument("--envs", type=int, help="only this number of environments")
    parser.add_argument("--runs", type=int, default=3, help="measurements of each configuration")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a measurement")
    parser.add_argument("--here", action="store_true", help="one measurement in this process")
    args = parser.parse_args()
    if args.here:
        print(measure(args.environment, args.envs, args.compiled, args.seconds))
        return

    configurations = [
        (environment, num_envs)
        for environment, num_envs in (COMPILED if args.compiled else GYMNASIUM)
        if args.environment in (None, environment) and args.envs in (None, num_envs)
    ]
    rates: dict[tuple[str, int], list[float]] = {each: [] for each in configurations}
    for _ in range(args.runs):
        for environment, num_envs in configurations:
            command = [sys.executable, __file__, "--here", f"--seconds={args.seconds}"]
            command += [f"--environment={environment}", f"--envs={num_envs}"]
            command += ["--compiled"] * args.compiled
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rates[environment, num_envs].append(float(output.splitlines()[-1]))
    for (environment, num_envs), measured in rates.items():
        result = {
            "environment": environment,
            "envs": num_envs,
            "compiled": args.compiled,
            "steps_per_second": round(statistics.median(measured)),
            "runs": [round(rate) for rate in measured],
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
