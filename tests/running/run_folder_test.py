"""A run folder belongs to one configuration, and nothing in it is ever half written."""

import json
import re
from pathlib import Path

import pytest

from pgtf.configuration.configuration import Configuration
from pgtf.errors import ConfigurationError, TrainingError
from pgtf.running.run_folder import RunFolder, default_folder

TEXT = "TOTAL_STEPS = 100\nA.x = 1\nB.y = @C()\ntrain.total_steps = %TOTAL_STEPS\n"


COMMAND = "python -m pgtf.launch"


def configuration(text: str = TEXT) -> Configuration:
    return Configuration("mine", "wide", text, {})


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def claimed() -> RunFolder:
    folder = RunFolder(Path("run"))
    folder.claim(configuration(), COMMAND)
    return folder


@pytest.mark.parametrize("environment", ["CartPole-v1", "ALE/Pong-v5", "my_module:Env-v0"])
def test_default_folder_is_named_after_file_environment_seed_description_and_time(
    environment: str,
) -> None:
    path = default_folder(configuration(), environment, 3)

    assert path.parts[:2] == ("runs", "mine")
    assert len(path.parts) == 4
    assert path.parts[2] == re.sub("[/:]", "-", environment)
    assert re.fullmatch(r"seed3-wide-\d{8}-\d{6}", path.name)


def test_two_new_runs_of_one_second_get_folders_of_their_own() -> None:
    folders = [RunFolder(Path("runs/a"), new=True) for _ in range(3)]
    for folder in folders:
        folder.check(configuration())
        folder.claim(configuration(), COMMAND)

    assert [folder.path for folder in folders] == [
        Path("runs/a"),
        Path("runs/a-2"),
        Path("runs/a-3"),
    ]


def test_claim_notes_down_what_was_asked_and_how(claimed: RunFolder) -> None:
    claimed.claim(configuration(), "python -m pgtf.launch again")

    assert Path("run/config.gin").read_text() == TEXT
    commands = Path("run/command.txt").read_text().splitlines()
    assert commands == [COMMAND, "python -m pgtf.launch again"]


def test_checking_leaves_no_trace() -> None:
    RunFolder(Path("run")).check(configuration())

    assert not Path("run").exists()


@pytest.mark.parametrize(
    "text",
    [TEXT, TEXT.replace("100", "200"), "\n".join(reversed(TEXT.splitlines()))],
    ids=["same", "more steps", "other order"],
)
def test_run_may_go_on_with_more_steps_in_its_own_folder(claimed: RunFolder, text: str) -> None:
    claimed.check(configuration(text))
    claimed.claim(configuration(text), COMMAND)

    assert Path("run/config.gin").read_text() == text


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        (TEXT.replace("A.x = 1", "A.x = 2"), "A.x is 1 there and 2 here"),
        (TEXT.replace("@C()", "@D()"), "B.y is @C() there and @D() here"),
        (TEXT + "E.z = 3", "E.z is unbound there and 3 here"),
        (TEXT.replace("A.x = 1\n", ""), "A.x is 1 there and unbound here"),
    ],
)
@pytest.mark.usefixtures("claimed")
def test_folder_of_another_configuration_is_refused(text: str, difference: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        RunFolder(Path("run")).check(configuration(text))

    message = str(refused.value)
    assert message.startswith("--logdir=run belongs to another configuration: ")
    assert difference in message
    assert "--gin_file=run/config.gin" in message
    assert Path("run/config.gin").read_text() == TEXT


@pytest.mark.parametrize("name", ["events.out.tfevents.1.host", "checkpoints/step-1.index"])
def test_folder_with_something_else_in_it_is_refused(name: str) -> None:
    path = Path("run") / name
    path.parent.mkdir(parents=True)
    path.touch()

    with pytest.raises(ConfigurationError, match=r"^--logdir=run holds events or checkpoints"):
        RunFolder(Path("run")).check(configuration())


@pytest.mark.parametrize("name", ["run[1]", "what?", "a*", "back\\slash"])
def test_path_that_tensorflow_takes_for_a_pattern_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(ConfigurationError, match="TensorFlow takes the path for a pattern"):
        RunFolder(Path(name)).check(configuration())


def test_folder_that_cannot_be_made_is_named() -> None:
    Path("file").touch()

    for name in ("file", "file/run", "/proc/run"):
        folder = RunFolder(Path(name))
        folder.check(configuration())
        with pytest.raises(ConfigurationError, match=f"^--logdir={name} cannot be used: "):
            folder.claim(configuration(), COMMAND)


def test_folder_that_cannot_be_written_to_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^--logdir=/proc/self cannot be used: "):
        RunFolder(Path("/proc/self")).claim(configuration(), COMMAND)


def test_summary_is_whole_or_not_there_at_all(
    claimed: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed.write_summary({"steps": 1})

    def torn(path: Path, text: str, **encoding: str) -> None:
        with path.open("w") as file:
            file.write(text[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", torn)
    with pytest.raises(TrainingError, match=r"summary.json cannot be written to \(.* No space"):
        claimed.write_summary({"steps": 2})

    assert json.loads(Path("run/summary.json").read_text()) == {
        "steps": 1,
        "command": COMMAND,
        "configuration": TEXT,
    }
