"""Which route a request is counted under, the same on every front."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.contract.cases.extensions import GUARDED, KEY, PREFIXED
from tests.contract.cases.models import LINEAR
from tests.contract.conftest import Serve
from tests.contract.exchanges import Request, eventually, plain
from tests.contract.serving import Client, Served

from datarobot_drum.drum.observability.record import Record

ROW = b"a,b\n1,2\n"
Counted = dict[tuple[str, str, str], float]


def counted(client: Client) -> Counted:
    """Requests by method, endpoint and status, without those that read the metrics."""
    headers = dict(KEY)
    page = client.get(f"{client.server.prefix}/metrics", headers).body.decode()
    return {
        (s.labels["method"], s.labels["endpoint"], s.labels["status"]): s.value
        for family in text_string_to_metric_families(page)
        for s in family.samples
        if s.name == "drum_requests_total" and s.value and s.labels["endpoint"] != "/metrics"
    }


def counts(client: Client, expected: Counted) -> None:
    """The counts come to be these: an answer is counted when it has been sent."""
    eventually(lambda: sum(counted(client).values()) >= sum(expected.values()))
    assert counted(client) == expected


def test_requests_are_counted_by_the_template_of_their_route(own_client: Serve) -> None:
    client = own_client(LINEAR)
    for path in ("/predict/", "/predict", "/predictions/?x=1", "/invocations"):
        assert client.post(path, ROW).status == 200
    assert client.post("/predict/", b"").status == 422
    assert client.get("/predict/").status == 405
    for path in ("/nope", "/predict/more", "/%2e%2e/"):
        assert client.get(path).status == 404
    assert client.send(Request("BREW", "/nope", plain({}))).status == 404
    counts(
        client,
        {
            ("POST", "/predict/", "200"): 4,
            ("POST", "/predict/", "422"): 1,
            ("GET", "/predict/", "405"): 1,
            ("GET", "unmatched", "404"): 3,
            ("other", "unmatched", "404"): 1,
        },
    )


def test_record_of_a_wrong_method_has_the_template_of_its_route(own_client: Serve) -> None:
    records: list[Record] = []
    client = own_client(LINEAR)
    client.server.recorder.add(records.append)
    for path in ("/predict/", "/predictions", "/nope"):
        client.get(path)
    eventually(lambda: len(records) == 3)
    # each connection has a thread of its own, so that their order is any
    found = sorted((record.target, record.route) for record in records)
    assert found == [
        ("/nope", "unmatched"),
        ("/predict/", "/predict/"),
        ("/predictions", "/predict/"),
    ]


@pytest.mark.parametrize("served", [GUARDED, PREFIXED], ids=["no prefix", "prefix"])
def test_requests_to_an_extension_are_counted_by_its_templates(
    served: Served, own_client: Serve, front: str
) -> None:
    client = own_client(served)
    prefix = client.server.prefix
    for name in ("alice", "bob"):
        assert client.get(f"{prefix if not prefix else ''}/extra/{name}", KEY).status == 200
    assert client.get(f"{prefix}/info/").status == 401
    assert client.post(f"{prefix}/predictions/", b"v\n1\n").status == 401
    template = "/extra/{name}" if front == "fastapi" else "/extra/<name>"
    counts(
        client,
        {
            ("GET", template, "200"): 2,
            ("GET", "/info/", "401"): 1,
            ("POST", "/predict/", "401"): 1,
        },
    )
