"""Runs of different configurations have different names, which any file system takes."""

import pytest

from pgtf import parts
from pgtf.configuration import configuration
from pgtf.running.run_folder import default_folder

assert parts.__name__  # Registers every part.


def name(files: list[str], parameters: list[str], given: str | None = None) -> tuple[str, str]:
    """The folder of the algorithm, and what stands between the seed and the time."""
    asked = configuration.load(files, parameters)
    if given is not None:
        asked = asked.called(given)
    _, algorithm, environment, run = default_folder(asked, "CartPole-v1", 3).parts
    assert environment == "CartPole-v1"
    assert run.startswith("seed3-")
    return algorithm, run.removeprefix("seed3-").rsplit("-", 2)[0]


def test_algorithm_is_the_first_file_and_the_others_are_told() -> None:
    compiled = [name([file, "envs/compiled.gin"], []) for file in ("a2c.gin", "reinforce.gin")]

    assert compiled == [("a2c", "compiled"), ("reinforce", "compiled")]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (["MLP.hidden = (8, 8)"], "MLP.hidden=8_8"),
        (["NStep.n = 3", "Beta.gain = 0.5"], "NStep.n=3-Beta.gain=0.5"),
        (["ENVIRONMENT = 'ALE/Pong-v5'", "train.seed = 3"], None),  # told by the folders
        (["GymEnvironment.kwargs = {'a/b': -8.5}"], "GymEnvironment.kwargs=a_b_-8.5"),
        (["NUM_ENVS = 3", "NUM_ENVS = 4"], "NUM_ENVS=4"),
    ],
)
def test_bindings_of_the_command_line_are_told(parameters: list[str], expected: str | None) -> None:
    asked = configuration.load(["a2c.gin"], parameters)

    assert asked.description == (expected or "")


def test_long_names_are_cut_and_still_differ() -> None:
    many = [f"{name}.gain = 0.25" for name in ("Softmax", "Gaussian", "Beta", "TanhGaussian")]
    many += ["GymEnvironment.kwargs = {'a': 'long', 'dictionary': 'of', 'many': 'words'}"]

    one, other = (
        configuration.load(["a2c.gin"], [*many, f"NStep.n = {n}"]).description for n in (5, 6)
    )

    assert len(one) == len(other) == 100
    assert one[:90] == other[:90]
    assert one != other


def test_given_name_stands_in_place_of_files_and_bindings() -> None:
    parameters = ["NUM_ENVS = 3"]

    assert name(["a2c.gin", "envs/acrobot.gin"], parameters, "my run/2") == ("a2c", "my_run_2")
