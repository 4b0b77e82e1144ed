"""Every case of the tables in `cases/`, on every front."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.contract.cases.all_cases import CASES
from tests.contract.cases.case import Case
from tests.contract.checks import check
from tests.contract.serving import Client, Served


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_answer_is_what_the_table_says(case: Case, client: Callable[[Served], Client]) -> None:
    check(case, client(case.served).send(case.request))


def test_cases_have_ids_of_their_own() -> None:
    ids = [case.id for case in CASES]
    assert sorted(set(ids)) == sorted(ids)
