"""A run whose files were damaged loses what is damaged, and says which file and line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import gin
import pytest

import pgtf
from pgtf import evaluate
from pgtf.configuration.configuration import Configuration
from pgtf.errors import ConfigurationError
from pgtf.running.metrics import MetricsWriter
from pgtf.running.run_folder import RunFolder
from tests.short_runs import event_steps, events, table, train

SHORT = (
    "TOTAL_STEPS = 40",
    "train.log_every = 10",
    "train.checkpoint_every = 20",
    "Evaluation.every = 20",
    "Evaluation.episodes = 1",
    "Evaluation.final_episodes = 1",
)


def curves(folder: Path) -> Path:
    """Ten rows and ten events, 10, 20, …, 100."""
    writer = MetricsWriter(folder)
    for step in range(10, 110, 10):
        writer.scalars(step, {"a": step / 4, "b": -1.0})
    writer.close()
    return folder / "progress.csv"


def resumed(folder: Path) -> list[int]:
    """The steps in the table once the run has resumed at the last one and gone on to 110."""
    writer = MetricsWriter(folder, resumed_at=100)
    writer.scalars(110, {"a": 0.0, "b": 0.0})
    writer.close()
    return [int(row["step"]) for row in table(folder)]


@pytest.mark.parametrize(
    ("damage", "line", "lost"),
    [
        (lambda data: data.replace(b"40,10.0", b"40,1\xff.0"), "5", {40}),
        (lambda data: data.replace(b"40,10.0", b"4O,10.0"), "5", {40}),
        (lambda data: data.replace(b"40,10.0", b"-40,10.0"), "5", {40}),
        (lambda data: data.replace(b"40,10.0", b'"40,10.0'), "5", {40}),
        (lambda data: data.replace(b"40,10.0", b"40,10.0,7"), "5", {40}),
        (lambda data: data.replace(b"40,10.0,-1.0\r\n50", b"40,10.050"), "5", {40, 50}),
        (
            lambda data: data.replace(b"40,", b"\x00\x00,").replace(b"70", b"x"),
            "5 and 1 more",
            {40, 70},
        ),
        (lambda data: data.replace(b"step", b"stxp"), "1 and 10 more", set(range(10, 110, 10))),
        (lambda data: b"\x89PNG" + bytes(range(256)), "1", set(range(10, 110, 10))),
    ],
    ids=["byte", "letter", "negative", "quote", "cell", "newline", "two", "header", "binary"],
)
def test_damaged_rows_are_left_out_and_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
    line: str,
    lost: set[int],
) -> None:
    path = curves(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()

    assert resumed(tmp_path) == [step for step in range(10, 120, 10) if step not in lost]
    assert (tmp_path / "earlier" / "1" / "progress.csv").read_bytes() == before
    assert capsys.readouterr().err == (
        f"pgtf: warning: {path} line {line} cannot be read and is left out; the file as it was is"
        f" kept in {tmp_path}/earlier/1.\n"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_table_that_another_program_saved_in_its_encoding_is_read(
    tmp_path: Path, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = curves(tmp_path)
    path.write_bytes(path.read_text().encode(encoding))

    assert resumed(tmp_path) == list(range(10, 120, 10))
    assert not capsys.readouterr().err


@pytest.mark.parametrize("part", ["text", "length"])
def test_event_with_a_flipped_byte_is_the_only_one_lost(
    tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    curves(tmp_path)
    (path,) = tmp_path.glob("*tfevents*")
    data = bytearray(path.read_bytes())
    third = [event.step for event in events(tmp_path) if event.summary.value].index(20)
    at = 0
    for _ in range(1 + third):  # The first record is the file's version.
        at += 16 + int.from_bytes(data[at : at + 8], "little")
    data[at + (20 if part == "text" else 1)] ^= 4
    path.write_bytes(data)

    resumed(tmp_path)
    assert event_steps(tmp_path, "a") == [10, *range(30, 120, 10)]
    assert event_steps(tmp_path, "b") == list(range(10, 120, 10))
    assert (tmp_path / "earlier" / "1" / path.name).read_bytes() == data
    assert f"{path} is damaged in 1 place; the rest is used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A.x = 1\nB.y = '\xff'\n", "config.gin line 2 is not UTF-8 text: put back"),
        ("A.x = 1\n".encode("utf-16"), "config.gin line 1 is not UTF-8 text: put back"),
        (None, "config.gin cannot be read: Is a directory."),
        (b"", "belongs to another configuration: A.x is unbound there and 1 here."),
        (b"A.x = (1", "config.gin"),
        (b"\x00\x01\x02", "config.gin"),
    ],
)
def test_damaged_configuration_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "config.gin"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        RunFolder(tmp_path).check(Configuration("mine", "", "A.x = 1\n", {}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(folder, *SHORT)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A run folder of its own."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_reading_a_run_changes_nothing_in_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even what looks like the rest of a killed save: the run may be saving at the moment."""
    for name in ("step-60_temp", "unfinished"):
        (run / "checkpoints" / name).mkdir()
        (run / "checkpoints" / name / "part-00000-of-00001").write_bytes(b"half")
    (run / "checkpoints" / "step-60.data-00000-of-00001").write_bytes(b"half")
    before = listing(run)

    gin.clear_config()
    evaluate.main([f"--logdir={run}", "--episodes=1"])
    pgtf.load(run)
    pgtf.load(run, "best")

    assert listing(run) == before
    assert capsys.readouterr().out.startswith("Return ")


@pytest.mark.parametrize("name", ["policy/saved_model.pb", "policy/spaces.json"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 40, b"{}"])
def test_policy_that_cannot_be_read_is_one_sentence(run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"holds a policy that cannot be read: [^\n]+\.$"):
        pgtf.load(run)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 40, b"PK\x03\x04 and then nothing"])
def test_weights_that_cannot_be_read_are_one_sentence(run: Path, content: bytes) -> None:
    for path in run.glob("checkpoints/*.npz"):
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"holds a policy that cannot be read: [^\n]+\.$"):
        pgtf.load(run)


def test_score_of_the_best_that_cannot_be_read_is_no_score(run: Path) -> None:
    (run / "checkpoints" / "best" / "score.json").write_bytes(b'{"step": 20, "sc')
    with pytest.raises(ConfigurationError, match="no checkpoint is the best: load 'last'"):
        pgtf.load(run, "best")
    summary = train(run, *SHORT[1:], "TOTAL_STEPS = 60")
    assert summary["steps"] >= 60
    pgtf.load(run, "best")


def test_run_resumes_from_its_files_in_whatever_state(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damaged at every place at once, it goes on from the checkpoint that is left."""
    checkpoints = run / "checkpoints"
    (checkpoints / "checkpoint").write_bytes(b"\xff\x00")
    newest = max(checkpoints.glob("step-*.index"), key=lambda path: int(path.stem[5:]))
    newest.write_bytes(b"torn")
    table_ = run / "progress.csv"
    table_.write_bytes(table_.read_bytes().replace(b"20,", b"2\xf0,", 1))
    (run / "summary.json").write_bytes(b"{")
    (run / "operative_config.gin").write_bytes(b"\xff")
    summary = train(run, *SHORT[1:], "TOTAL_STEPS = 60")

    assert summary["steps"] >= 60
    out, err = capsys.readouterr()
    assert "Resuming at 20 steps" in out
    assert f"{newest.with_suffix('')} cannot be read: " in err
    assert "progress.csv line" in err
    steps = [int(row["step"]) for row in table(run)]
    assert steps == sorted(set(steps))
    assert steps[-1] == summary["steps"]
