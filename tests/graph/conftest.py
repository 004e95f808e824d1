"""Fixtures that tests of random numbers share with those of heads."""

from tests.policies.conftest import assert_distributed as assert_distributed
from tests.policies.conftest import compiled as compiled
