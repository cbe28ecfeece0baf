"""Arguments of any kind train and come back from a file, or are refused by name.

`benchmarks/faults.py` runs thousands of cases; here each subject has a few, always the same.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.faults.fuzz import cases, outcome
from tests.faults.subjects import SUBJECTS

EXAMPLES = 4


@pytest.mark.parametrize("name", SUBJECTS)
def test_arguments_train_or_are_refused_by_name(name):
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(cases((name,)))
    def law(case):
        assert outcome(*case) in ("trained", "refused")

    law()
