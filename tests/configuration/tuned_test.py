"""A run on an environment that has tuned settings is told of them, unless it uses them."""

import pytest

from pgtf import parts
from pgtf.configuration import configuration
from pgtf.configuration.tuned import tuned_file
from tests.short_runs import train

assert parts.__name__  # Registers every part.


def hint(environment: str, *files: str) -> str | None:
    asked = configuration.load(files, [])
    return tuned_file(environment, asked.name, asked.files)


@pytest.mark.parametrize(
    ("environment", "files", "expected"),
    [
        ("Acrobot-v1", ("a2c.gin",), "envs/acrobot.gin"),
        ("Acrobot-v1", ("ppo.gin",), "envs/acrobot.gin"),
        ("Pendulum-v1", ("ppo.gin", "envs/compiled.gin"), "envs/pendulum.gin"),
        ("MountainCar-v0", ("vpg.gin",), "envs/mountain_car.gin"),
        ("ALE/Breakout-v5", ("ppo.gin",), "envs/atari.gin"),
        ("ALE/Pong-v5", ("a3c.gin",), "envs/atari.gin"),
        ("ALE/Pong-v5", ("a3c.gin", "envs/pong.gin"), None),
        ("MiniGrid-DoorKey-5x5-v0", ("a2c.gin",), "envs/minigrid.gin"),
        ("MiniGrid-Unlock-v0", ("ppo.gin",), "envs/minigrid.gin"),
        ("Pendulum-v1", ("es.gin",), "envs/es_pendulum.gin"),
        *(
            ("HalfCheetah-v5", (algorithm,), "envs/halfcheetah.gin")
            for algorithm in ("a2c.gin", "ppo.gin", "vpg.gin", "reinforce.gin")
        ),
        ("HalfCheetah-v5", ("es.gin",), None),
        # What is tuned for the file that another one includes is better than nothing.
        ("Pendulum-v1", ("a2c.gin", "envs/compiled.gin"), "envs/pendulum.gin"),
        ("DeepSea-v0", ("ppo.gin", "envs/compiled.gin"), "envs/deep_sea.gin"),
        ("Pendulum-v1", ("a2c.gin", "envs/pendulum.gin"), None),
        ("Pendulum-v1", ("ppo.gin", "envs/ppo_pendulum.gin"), None),  # an earlier name
        ("MountainCarContinuous-v0", ("a3c.gin",), None),  # has settings for others
        ("CartPole-v1", ("a2c.gin",), None),
        ("Pendulum", ("a2c.gin",), None),
    ],
)
def test_the_file_for_environment_and_algorithm_is_named(
    environment: str, files: tuple[str, ...], expected: str | None
) -> None:
    assert hint(environment, *files) == expected


def test_a_file_of_the_users_own_that_uses_the_settings_gets_no_hint(tmp_path) -> None:
    mine = tmp_path / "mine.gin"
    mine.write_text("include 'a2c.gin'\ninclude 'envs/acrobot.gin'\n")
    assert hint("Acrobot-v1", str(mine)) is None
    mine.write_text("include 'a2c.gin'\n")
    assert hint("Acrobot-v1", str(mine)) == "envs/acrobot.gin"


def test_a_run_starts_with_the_hint(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "plain", "ENVIRONMENT = 'Acrobot-v1'", "TOTAL_STEPS = 100")
    told = capsys.readouterr().out
    assert told.count("--gin_file=envs/acrobot.gin") == 1
    assert told.index("envs/acrobot.gin") < told.index("Compiled in")

    train(tmp_path / "settled", "TOTAL_STEPS = 100", files=("a2c.gin", "envs/acrobot.gin"))
    assert "tuned" not in capsys.readouterr().out
