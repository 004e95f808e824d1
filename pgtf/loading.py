"""``pgtf.load``: the policy of a run, for use from Python."""

import contextlib
from pathlib import Path

from pgtf.configuration import modules
from pgtf.configuration.host import check_process
from pgtf.configuration.modules import Imports
from pgtf.errors import ConfigurationError
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.running import policy_files


def load_policy(
    logdir: str | Path, checkpoint: str | int = "last", seed: int = 0, imports: bool = True
) -> NumpyPolicy:
    """Returns the policy of a run: ``action = pgtf.load(run.logdir)(observation)``.

    It needs neither the environment nor the modules of the run's own parts, reads and changes no
    gin state, and may be called for several runs at once and in any thread. Of a run made before
    pgtf saved policies by themselves, and of one whose policy calls Python, the environment is made
    once, from the run's ``config.gin``.

    Args:
        logdir: the run folder.
        checkpoint: "last", "best" (of the highest mean return in an evaluation), or the number of
            environment steps of one that was kept.
        seed: which of ``train.num_seeds``, counted from 0.
        imports: whether a run without policies of its own may import the modules of its parts,
            which runs their code.

    Raises:
        ConfigurationError: the folder holds no run, or none with such a policy.
    """
    run = Path(logdir).expanduser().absolute()
    check_process()
    if policy_files.holds_policies(run):
        return policy_files.read_policy(run, checkpoint, seed)
    if not (run / "config.gin").exists():
        raise ConfigurationError(f"{run} holds no run: there is no config.gin in it.")
    if checkpoint != "last":
        raise ConfigurationError(
            f"{run} holds no policies by themselves, so only its last checkpoint can be loaded."
        )
    with modules.imports(Imports.MADE if imports else Imports.REFUSED):
        return _remade(run, seed)


def _remade(run: Path, seed: int) -> NumpyPolicy:
    """The policy of the last checkpoint of a run, made together with its trainer."""
    # Not at the top: what these modules import is not needed for any other run.
    from pgtf import parts as parts
    from pgtf.configuration.isolation import isolated
    from pgtf.policies.acting_graph import acting_graph, live_policy
    from pgtf.running.restored import restored_trainer

    with isolated(), contextlib.closing(restored_trainer(run, flag="logdir")) as trainer:
        for i, _ in enumerate(trainer.members()):
            if i == seed:
                break
        else:
            raise ConfigurationError(f"{run} holds no policy with seed={seed}, counted from 0.")
        policy, core = trainer.core_policy, trainer.environment.core
        spaces = (core.observation_space, core.action_space)
        graph = acting_graph(policy, *spaces)
        for function in (graph.greedy, graph.sampled, graph.initial_memory):
            function.get_concrete_function()
        return live_policy(graph, policy, *spaces)
