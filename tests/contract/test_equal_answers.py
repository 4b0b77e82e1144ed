"""The three fronts give the same bytes: status, headers and body."""

from __future__ import annotations

import re

import pytest
from tests.contract.cases.all_cases import ANSWERS
from tests.contract.cases.case import Case
from tests.contract.conftest import Serve
from tests.contract.exchanges import Answer
from tests.contract.serving import FRONTS, Client

#: what a server adds, or what is new for each request
MAY_DIFFER = {
    *("date", "server", "connection", "transfer-encoding"),
    *("x_request_id", "x-request-id"),
}
BOUNDARY = re.compile(rb"[0-9a-f]{32}")
ADDRESS = re.compile(rb"0x[0-9a-f]+")
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.id)
def test_answer_is_the_same_on_every_front(case: Case, shared_clients: Serve, guard: None) -> None:
    flask, gunicorn, fastapi = (
        _comparable(client, client.send(case.request))
        for client in (shared_clients(case.served, front) for front in FRONTS)
    )
    assert flask == gunicorn
    assert flask == fastapi


def _comparable(client: Client, answer: Answer) -> tuple[int, list[tuple[str, bytes]], bytes]:
    """The answer without what is different in each run of each server."""
    headers = [
        (name.lower(), BOUNDARY.sub(b"NEW", value.encode("latin-1")))
        for name, value in answer.headers
        if name.lower() not in MAY_DIFFER
    ]
    # the place of the model is a new one for each server
    body = answer.body.replace(str(client.code_dir.parent).encode(), b"PLACE")
    if len(body) < len(answer.body):
        headers = [pair for pair in headers if pair[0] != "content-length"]
    for pattern in (ADDRESS, BOUNDARY, UUID):
        body = pattern.sub(b"NEW", body)
    return answer.status, sorted(headers), body
