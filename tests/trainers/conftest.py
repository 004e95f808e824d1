"""No test of a trainer may leave a worker's thread behind."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    from tests.trainers import threads

    while threads.MADE:
        threads.MADE.pop().close()
    assert threads.worker_threads() == []
