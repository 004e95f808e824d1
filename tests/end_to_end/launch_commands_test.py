"""The commands in launch/: they install once, survive interruptions and pass their flags on.

A stub plays Python: it writes every call to a log, and makes virtual environments that hold itself.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
COMMANDS = ["train", "evaluate", "test", "tensorboard", "check"]

STUB = """#!/bin/bash
case "$*" in
    -c*) echo "${STUB_VERSION:-3.11}"; exit ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo venv >>"$STUB_LOG"; exit ;;
    "-m pip --version") exit ;;
    "-m pip install"*) sleep "${STUB_SLEEP:-0}" ;;
esac
printf -v line '%s|' "${PWD##*/}" "${@:2}"
echo "$line" >>"$STUB_LOG"
[[ "$*" != *"${STUB_FAILS:-no such argument}"* ]]
"""


class Launcher:
    """A copy of the launch commands in a folder of its own, and the log of what they ran."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "a checkout"
        self.elsewhere = folder / "elsewhere"
        self.venv = folder / "an environment"
        self.log = folder / "log"
        self.stubs = folder / "bin"
        for made in (self.checkout, self.elsewhere, self.stubs):
            made.mkdir()
        shutil.copytree(CHECKOUT / "launch", self.checkout / "launch")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(CHECKOUT / name, self.checkout)
        for name in ("python3.11", "python3.12", "python3.13", "python3", "python"):
            (self.stubs / name).write_text(STUB)
            (self.stubs / name).chmod(0o755)

    def start(self, command: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(self.checkout / "launch" / command), *arguments],
            cwd=self.elsewhere,
            env=os.environ
            | {"PATH": f"{self.stubs}:{os.environ['PATH']}", "STUB_LOG": str(self.log)}
            | {"PGTF_VENV": str(self.venv)}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, *arguments: str, **environment: str) -> list[str]:
        """Runs a command that must succeed; returns the calls it made."""
        self.log.write_text("")
        process = self.start(command, *arguments, **environment)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        return self.calls()

    def fail(self, command: str, *arguments: str, **environment: str) -> str:
        """Runs a command that must fail; returns what it said."""
        process = self.start(command, *arguments, **environment)
        output, errors = process.communicate()
        assert process.returncode == 1, errors
        assert output == ""
        return errors

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


def installs(calls: list[str]) -> list[str]:
    return [call for call in calls if "|pip|install|" in call]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_executed_and_parsed(command: str) -> None:
    path = CHECKOUT / "launch" / command

    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_first_start_installs_the_pinned_versions_and_later_ones_nothing(
    launcher: Launcher,
) -> None:
    first = launcher.run("train")
    second = launcher.run("train")

    assert first[0] == "venv"
    assert len(installs(first)) == 2
    assert all("|--constraint|constraints.txt|" in call for call in installs(first))
    assert installs(first)[-1].endswith("|--no-build-isolation|--editable|.[all]|")
    assert first[-1:] == second == ["elsewhere|pgtf.launch|--gin_file=a2c.gin|"]


@pytest.mark.parametrize("given", [["--gin_file", "a b.gin"], ["-gin_file=c.gin", "--logdir=x"]])
def test_train_passes_flags_on_and_respects_a_gin_file(
    launcher: Launcher, given: list[str]
) -> None:
    assert launcher.run("train", *given)[-1] == "|".join(["elsewhere", "pgtf.launch", *given, ""])


def test_train_adds_the_default_gin_file_to_other_flags(launcher: Launcher) -> None:
    calls = launcher.run("train", "--gin_param=ENVIRONMENT='Pendulum-v1'")

    assert calls[-1].endswith("|--gin_file=a2c.gin|--gin_param=ENVIRONMENT='Pendulum-v1'|")


def test_evaluate_passes_flags_on(launcher: Launcher) -> None:
    assert launcher.run("evaluate", "--logdir=a b")[-1] == "elsewhere|pgtf.evaluate|--logdir=a b|"


def test_tensorboard_shows_the_runs_of_the_current_folder(launcher: Launcher) -> None:
    assert launcher.run("tensorboard")[-1] == "elsewhere|tensorboard.main|--logdir|runs|"
    assert launcher.run("tensorboard", "--logdir=x")[-1] == "elsewhere|tensorboard.main|--logdir=x|"


def test_tests_add_their_tools_to_what_training_installed(launcher: Launcher) -> None:
    launcher.run("train")
    tests = launcher.run("test", "tests/returns_test.py")
    train = launcher.run("train")

    assert installs(tests)[-1].endswith("|.[all,dev]|")
    assert tests[-1].startswith("a checkout|pytest|")
    assert tests[-1].endswith("|tests/returns_test.py|")
    assert installs(train) == []


@pytest.mark.parametrize(
    ("asked", "processes", "most"),
    [
        ([], "auto", "4"),
        (["-m", "not slow"], "auto", "4"),
        (["tests/a_test.py"], "0", "1"),
        (["-x", "tests/a_test.py::test_a", "tests/a_test.py::test_b[1.py]"], "0", "1"),
        (["tests/a_test.py", "tests/b_test.py"], "auto", "2"),
        ([f"tests/{letter}_test.py" for letter in "abcde"], "auto", "4"),
        (["tests/graph", "tests/a_test.py"], "auto", "4"),
    ],
    ids=" ".join,
)
def test_tests_take_no_more_processes_than_files(
    launcher: Launcher, asked: list[str], processes: str, most: str
) -> None:
    (launcher.checkout / "tests" / "graph").mkdir(parents=True)
    call = launcher.run("test", *asked)[-1]

    assert call.split("|")[2:-1] == [
        *("--numprocesses", processes, "--maxprocesses", most, "--dist", "worksteal"),
        *asked,
    ]


def test_check_runs_format_lint_types_and_tests(launcher: Launcher) -> None:
    calls = [call for call in launcher.run("check") if call != "venv" and "|pip|" not in call]

    assert [call.split("|")[1] for call in calls] == ["ruff", "ruff", "mypy", "pytest"]


@pytest.mark.parametrize("tool", ["ruff|format", "ruff|check", "mypy", "pytest"])
def test_check_fails_with_any_of_its_tools(launcher: Launcher, tool: str) -> None:
    launcher.run("test")

    launcher.fail("check", STUB_FAILS=tool.replace("|", " "))
    assert f"|{tool}|" in launcher.calls()[-1]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_with_the_same_extras(
    launcher: Launcher, name: str
) -> None:
    launcher.run("test")
    with (launcher.checkout / name).open("a") as file:
        file.write("# changed\n")
    calls = launcher.run("train")

    assert "venv" not in calls
    assert installs(calls)[-1].endswith("|.[all,dev]|")


def test_another_checkout_is_not_taken_for_this_one(launcher: Launcher) -> None:
    launcher.run("train")
    launcher.checkout = launcher.checkout.rename(launcher.checkout.with_name("moved"))

    assert installs(launcher.run("train")) != []


def test_failed_install_is_reported_and_begun_anew(launcher: Launcher) -> None:
    message = launcher.fail("train", STUB_FAILS="--editable")
    calls = launcher.run("train")

    assert "the install did not finish" in message
    assert calls[0] == "venv"
    assert len(installs(calls)) == 2


def test_failed_upgrade_is_begun_anew(launcher: Launcher) -> None:
    launcher.run("train")
    with (launcher.checkout / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    launcher.fail("train", STUB_FAILS="--editable")

    assert launcher.run("train")[0] == "venv"


def test_killed_install_is_begun_anew(launcher: Launcher) -> None:
    process = launcher.start("train", STUB_SLEEP="2")
    while not (launcher.venv / "bin").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    leftover = launcher.venv / "bin" / "half a package"
    leftover.touch()
    launcher.run("train")

    assert not leftover.exists()


def test_missing_interpreter_is_replaced(launcher: Launcher) -> None:
    launcher.run("train")
    (launcher.venv / "bin" / "python").unlink()

    assert launcher.run("train")[0] == "venv"


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock")
def test_simultaneous_starts_install_once(launcher: Launcher) -> None:
    processes = [launcher.start("train", STUB_SLEEP="0.3") for _ in range(3)]
    outcomes = [(*process.communicate(), process.returncode) for process in processes]

    assert [code for _, _, code in outcomes] == [0, 0, 0], outcomes
    assert launcher.calls().count("venv") == 1
    assert len(installs(launcher.calls())) == 2
    assert sum("pgtf.launch" in call for call in launcher.calls()) == 3


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_supported_python_makes_the_environment(launcher: Launcher, version: str) -> None:
    assert launcher.run("train", STUB_VERSION=version)[0] == "venv"


def test_older_supported_python_comes_first(launcher: Launcher) -> None:
    (launcher.stubs / "python3.11").write_text("#!/bin/bash\nexit 127\n")  # does not run
    for name in ("python3.13", "python3", "python"):  # run, and make no environment
        (launcher.stubs / name).write_text('#!/bin/bash\n[[ "$1" == -c ]] && echo 3.13\n')

    assert launcher.run("train", STUB_VERSION="3.12")[0] == "venv"


@pytest.mark.parametrize("version", ["2.7", "3.10", "3.14", "4.11"])
def test_unsupported_python_is_named(launcher: Launcher, version: str) -> None:
    message = launcher.fail("train", STUB_VERSION=version)

    assert f"python3 ({version})" in message
    assert "pgtf needs Python >=3.11" in message
    assert "Traceback" not in message


def test_folder_of_somebody_else_is_left_alone(launcher: Launcher) -> None:
    launcher.venv.mkdir()
    (launcher.venv / "thesis.txt").touch()

    assert "was not made by the launch commands" in launcher.fail("train")
    assert (launcher.venv / "thesis.txt").exists()
