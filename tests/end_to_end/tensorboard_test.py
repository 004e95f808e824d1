"""A real TensorBoard shows a run: its tags are read back over HTTP."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.short_runs import TOY, table, train

ENVIRONMENT = f"ENVIRONMENT = '{TOY}:Counting-v0'"


class Server:
    """TensorBoard over a folder of runs."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}/data"

    def ask(self, path: str, body: Any = None, **query: str) -> Any:
        """The answer to a question, as the page itself asks it."""
        address = f"{self._address}/{path}"
        if query:
            address += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that differ in one binding; the first one in two pieces."""
    folder = tmp_path_factory.mktemp("runs")
    train(folder / "small", ENVIRONMENT, "train.total_steps = 200")
    train(folder / "small", ENVIRONMENT)
    train(folder / "large", ENVIRONMENT, "MLP.hidden = (8,)")
    return folder


@pytest.fixture(scope="module")
def server(logdir: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = Server(port)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert process.poll() is None, "TensorBoard has ended"
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                tags = server.ask("plugin/scalars/tags")
                if all("eval/mean_reward" in tags.get(run, {}) for run in ("small", "large")):
                    break
            time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        process.wait()


def test_scalars_are_curves_over_environment_steps(server: Server, logdir: Path) -> None:
    tags = server.ask("plugin/scalars/tags")

    assert set(tags) == {"small", "large"}
    for run in tags:
        assert {
            *("rollout/ep_rew_mean", "rollout/ep_len_mean"),
            *("eval/mean_reward", "eval/mean_ep_length", "time/fps"),
            *("train/policy_loss", "train/value_loss", "train/entropy"),
            *("train/explained_variance", "train/learning_rate"),
            *("train/gradient_norm", "train/advantage_std"),
        } <= set(tags[run])
        rows = table(logdir / run)
        for tag in tags[run]:
            curve = server.ask("plugin/scalars/scalars", run=run, tag=tag)
            expected = [(int(row["step"]), float(row[tag])) for row in rows if row[tag]]
            assert [step for _, step, _ in curve] == [step for step, _ in expected], tag
            assert [value for _, _, value in curve] == pytest.approx([x for _, x in expected])


def test_histograms_of_actions_and_advantages_are_shown(server: Server) -> None:
    tags = server.ask("plugin/histograms/tags")

    for run in ("small", "large"):
        assert {"train/actions", "train/advantages"} <= set(tags[run])
        histograms = server.ask("plugin/histograms/histograms", run=run, tag="train/actions")
        steps = [step for _, step, _ in histograms]
        assert all(0 < step <= 410 for step in steps)
        assert steps == sorted(set(steps))
        for _, _, buckets in histograms:
            counted = [(left, right) for left, right, count in buckets if count]
            assert counted
            assert all(0 <= left <= right <= 1 for left, right in counted), "actions are 0 and 1"


def test_operative_configuration_is_shown_as_text(server: Server, logdir: Path) -> None:
    assert "operative_config" in server.ask("plugin/text/tags")["large"]

    texts = server.ask("plugin/text/text", run="large", tag="operative_config")

    assert "MLP.hidden = (8,)" in texts[0]["text"]
    operative = (logdir / "large" / "operative_config.gin").read_text()
    keys = re.findall(r"^[\w.]+(?= =)", operative, re.MULTILINE)
    assert "Learner.discount" in keys
    assert all(key in texts[0]["text"] for key in keys)
    # A run in two pieces says what it used each time.
    assert len(server.ask("plugin/text/text", run="small", tag="operative_config")) == 2


def test_runs_are_compared_by_their_hyperparameters(server: Server) -> None:
    groups = server.ask(
        "plugin/hparams/session_groups",
        {
            "experimentName": "",
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_RUNNING"],
            "colParams": [],
            "startIndex": 0,
            "sliceSize": 10,
        },
    )["sessionGroups"]

    assert len(groups) == 2, "a row for each run, also for the one in two pieces"
    by_run = {group["sessions"][0]["name"]: group["hparams"] for group in groups}
    assert by_run["small"]["MLP.hidden"] == "(4,)"
    assert by_run["large"]["MLP.hidden"] == "(8,)"
    assert by_run["small"]["Rollouts.num_steps"] == 2
    assert by_run["small"]["GymEnvironment.num_envs"] == 2, "not the macro's name"
    assert "RMSprop.rho" in by_run["small"], "a2c.gin binds it"
    assert "RMSprop.momentum" not in by_run["small"], "Keras's default"
    different = {k for k in by_run["small"] if by_run["small"][k] != by_run["large"].get(k)}
    assert different <= {"MLP.hidden", "train.total_steps"}
