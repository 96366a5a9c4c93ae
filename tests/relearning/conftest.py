import pytest
from attacked_runs import forgetful

from tiny import Tiny


@pytest.fixture(scope="session")
def small() -> Tiny:
    return forgetful()
