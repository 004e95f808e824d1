"""The page of scores, docs/scores.md: what ``learning.py`` measured, and what others publish."""

import statistics
from collections.abc import Iterator

from published import FIGURES, GROUPS, PROTOCOLS, told
from rows import ROWS, Row
from runs import Result, interquartile_mean

_HEAD = """\
# Scores

Generated from [benchmarks/results/learning.csv](../benchmarks/results/learning.csv), which holds
every run with its date and commit; a test keeps the two together. To fill in a row:

```bash
file=benchmarks/results/learning.csv
python benchmarks/learning.py --only "ppo Acrobot-v1" --results $file --scores docs/scores.md
```

- "score" is the interquartile mean over the seeds of the mean return over 100 episodes of the
  *last* policy: greedy, but sampled on MinAtar and Atari. In brackets is its 95 % stratified
  bootstrap interval (a row is one stratum).
- "sampled" is the mean over the seeds of as many sampled episodes, where they were played, and
  "training" that of the last 100 training episodes.
- "goal" is what the score should reach in that many steps. {reached}
- "published" are the scores of others for the same algorithm, with their training steps. Their
  [protocols](#protocols-of-the-published-scores) differ from ours and from each other, and their
  versions of the tasks are older (of MuJoCo v2 to v4).
"""
_COLUMNS = ("run", "score", "seeds", "sampled", "training", "steps", "goal", "published")


def page(results: list[Result]) -> str:
    """Returns the page, in Markdown."""
    known: dict[str, list[Result]] = {row.name: [] for row in ROWS}
    for result in results:
        known[result.row].append(result)
    run = [row for row in ROWS if known[row.name]]
    reached = sum(_score(known[row.name])[0] >= _goal(row) for row in run)
    sentence = f"Of {len(ROWS)} rows {len(run)} were run, and {reached} of these reach it."
    parts = [_HEAD.format(reached=sentence)]
    for group, environments in GROUPS.items():
        parts.append(f"## {group}\n")
        for environment in environments:
            parts.append(f"### {environment}\n")
            parts.append("\n".join(_table(environment, known)) + "\n")
    parts.append("## Protocols of the published scores\n")
    lines = ["| source | protocol |", "|---|---|"]
    parts.append("\n".join(lines + [f"| {name} | {text} |" for name, text in PROTOCOLS.items()]))
    return "\n".join(parts) + "\n"


def _table(environment: str, known: dict[str, list[Result]]) -> Iterator[str]:
    """The lines of one environment's table."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    rows = [row for row in ROWS if row.environment == environment]
    for row in rows:
        yield f"| {' | '.join(_cells(row, known[row.name]))} |"
    # What others publish and no row of ours trains.
    for algorithm, other in FIGURES:
        if other == environment and algorithm not in {row.algorithm for row in rows}:
            cells = [algorithm, "not run", "", "", "", "", "", told(algorithm, environment)]
            yield f"| {' | '.join(cells)} |"


def _cells(row: Row, runs: list[Result]) -> list[str]:
    published = told(row.algorithm, row.environment)
    goal = f"{_goal(row):g}"
    if not runs:
        return [row.name, "not run", "", "", "", "", goal, published]
    middle, low, high = _score(runs)
    sampled = [run.sampled for run in runs if run.sampled is not None]
    return [
        row.name,
        f"**{_short(middle)}** ({_short(low)} to {_short(high)})",
        str(len(runs)),
        _short(statistics.mean(sampled)) if sampled else "–",
        _short(statistics.mean(run.trained for run in runs)),
        f"{max(run.steps for run in runs):,}",
        goal if middle >= _goal(row) else f"{goal} (missed)",
        published,
    ]


def _goal(row: Row) -> float:
    return row.threshold if row.goal is None else row.goal


def _score(runs: list[Result]) -> tuple[float, float, float]:
    return interquartile_mean(run.score for run in runs)


def _short(score: float) -> str:
    """A score with about four digits."""
    digits = 3 if abs(score) < 1 else 1 if abs(score) < 1000 else 0
    return f"{score:,.{digits}f}"
