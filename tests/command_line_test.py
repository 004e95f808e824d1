"""All commands take flags, answer mistakes and exit in one way, and before TensorFlow is loaded."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pgtf import __main__ as pgtf_command
from pgtf import command_line, launch
from pgtf.errors import ConfigurationError, TrainingError

COMMANDS = ("train", "evaluate", "variance", "sweep", "list")
# Runs each command line in one process and tells how it ended and whether TensorFlow was loaded.
ANSWERS = """
import contextlib, io, json, sys
from pgtf import __main__, command_line
answers = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command_line.run_command(__main__.main, arguments)
        except SystemExit as left:
            answers.append([left.code or 0, out.getvalue(), err.getvalue()])
print(json.dumps([answers, "tensorflow" in sys.modules]))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int, str, str]]:
    """How each command line ended: exit code, output, errors."""
    asked = [[name, flag] for name in COMMANDS for flag in ("--help", "--gin_parm=x")]
    asked += [["evaluate", "--episodes=0"], ["evaluate", "--greedy=x"], ["train", "--logdir"]]
    asked += [["evaluate"], ["train", "a2c.gin"], ["trian"], ["--help"], []]
    process = subprocess.run(
        [sys.executable, "-c", ANSWERS, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    ended, loaded = json.loads(process.stdout)
    assert not loaded, "an answer that takes seconds"
    return {" ".join(k): tuple(v) for k, v in zip(asked, ended, strict=True)}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_the_flags_of_pgtf_alone(
    answers: dict[str, tuple[int, str, str]], name: str
) -> None:
    code, out, err = answers[f"{name} --help"]

    assert (code, err) == (0, "")
    assert "  --gin_file\n" in out
    assert "  --gin_param\n" in out
    assert "--verbosity" not in out, "absl's own"
    assert all(len(line) <= 100 for line in out.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_mistyped_flag_is_answered_with_the_nearest_one(
    answers: dict[str, tuple[int, str, str]], name: str
) -> None:
    message = "pgtf: There is no flag --gin_parm. Did you mean '--gin_param'?\n"

    assert answers[f"{name} --gin_parm=x"] == (2, "", message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("evaluate --episodes=0", "--episodes=0: 0 is not a positive integer."),
        ("evaluate --greedy=x", "--greedy=x: Non-boolean argument to boolean flag."),
        ("train --logdir", "Missing value for --logdir."),
        ("evaluate", "--logdir is missing: it names the run folder."),
        ("train a2c.gin", "There is no argument 'a2c.gin'; write --gin_file=… or --gin_param=…."),
        ("trian", "There is no command 'trian'. Did you mean 'train'?"),
    ],
)
def test_wrong_command_line_is_answered_in_one_line(
    answers: dict[str, tuple[int, str, str]], line: str, message: str
) -> None:
    assert answers[line] == (2, "", f"pgtf: {message}\n")


def test_command_without_a_name_lists_the_names(
    answers: dict[str, tuple[int, str, str]],
) -> None:
    asked, bare = answers["--help"], answers[""]

    assert (asked[0], bare[0]) == (0, 2)
    assert asked[1] == bare[1]
    assert all(f"pgtf {name} " in asked[1] for name in COMMANDS)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigurationError("Change this."), 2, "pgtf: Change this.\n"),
        (TrainingError("It broke."), 1, "pgtf: It broke.\n"),
        (KeyboardInterrupt(), 130, "pgtf: interrupted.\n"),
    ],
)
def test_each_kind_of_end_has_its_exit_code(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ends(*_: object) -> None:
        raise error

    monkeypatch.setattr(launch, "run", ends)
    monkeypatch.setattr(sys, "path", list(sys.path))

    with pytest.raises(SystemExit) as left:
        command_line.run_command(pgtf_command.main, ["train"])

    assert left.value.code == code
    assert capsys.readouterr().err == message


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The commands of a virtual environment."""
    folder = tmp_path / "my env" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "python3", "pgtf"):
        (folder / name).touch(0o755)
    return folder


@pytest.mark.parametrize(
    ("program", "interpreter", "activated", "evaluate", "tensorboard"),
    [
        ("/x/launch.py", "python", True, "python -m pgtf.evaluate", "python -m tensorboard.main"),
        (
            *("/x/launch.py", "python3", False),
            *("'{}/python3' -m pgtf.evaluate", "'{}/python3' -m tensorboard.main"),
        ),
        ("{}/pgtf", "python", True, "pgtf evaluate", "python -m tensorboard.main"),
        ("{}/pgtf", "python", False, "'{}/pgtf' evaluate", "'{}/python' -m tensorboard.main"),
    ],
)
def test_advice_works_where_the_run_was_started(
    program: str,
    interpreter: str,
    activated: bool,
    evaluate: str,
    tensorboard: str,
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = ["/usr/bin", "/bin"]
    monkeypatch.setenv("PATH", os.pathsep.join([str(environment)] * activated + path))
    monkeypatch.delenv(command_line.SCRIPTS, raising=False)
    monkeypatch.setattr(sys, "argv", [program.format(environment), "train"])
    monkeypatch.setattr(sys, "executable", str(environment / interpreter))

    def told(names: Sequence[str]) -> list[str]:
        return [command_line.command(name) for name in names]

    assert told(("evaluate", "tensorboard")) == [
        text.format(environment) for text in (evaluate, tensorboard)
    ]


def test_advice_of_a_launch_script_is_the_script_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(command_line.SCRIPTS, "../pgtf/launch")

    assert command_line.command("evaluate") == "../pgtf/launch/evaluate"


STREAMS = """
import os, subprocess, sys
for closed in ((), (1,), (2,), (0, 1, 2)):
    child = os.fork()
    if child == 0:
        for descriptor in closed:
            os.close(descriptor)
        os.execvp(sys.executable, [sys.executable, "-c", sys.argv[1], *map(str, closed)])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 3, (closed, status)
"""
PRINTS = """
import os, sys
from pgtf import command_line
def main(arguments):
    print("±")
    print("±", file=sys.stderr)
    with open(os.devnull) as file:
        return 3 if file.fileno() > 2 else 4  # What is opened now gets no standard stream's number.
command_line.run_command(main, [])
"""


def test_commands_work_with_any_standard_streams() -> None:
    process = subprocess.run(
        [sys.executable, "-c", STREAMS, PRINTS],
        capture_output=True,
        check=True,
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONIOENCODING": "ascii"},
    )
    assert set(process.stdout.split()) == {b"?"}


def test_a_reader_that_has_enough_ends_a_command_in_silence() -> None:
    lines = "from pgtf import command_line as c\ndef main(_):\n while True: print('x' * 9999)\n"
    code = f"{lines}c.run_command(main, [])"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
