"""Whatever a configuration says, it runs or is refused in one sentence, and soon."""

from collections import Counter

import pytest

from tests.faults.configurations import described, outcomes

SEEDS = range(300)  # ``python -m tests.faults.configurations`` tries 5,000.


@pytest.mark.timeout(600)
def test_random_configurations_run_or_are_refused_in_a_sentence() -> None:
    kinds: Counter[str] = Counter()
    faults = []
    for seed, found in outcomes(SEEDS):
        kinds[found.kind] += 1
        if found.kind not in ("made", "refused"):
            faults.append(described(seed, found))
    assert not faults, f"of seeds {SEEDS.start} to {SEEDS.stop - 1}:\n" + "\n".join(faults)
    assert min(kinds["made"], kinds["refused"]) > 20, f"too much alike to tell anything: {kinds}"
