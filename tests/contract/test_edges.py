"""Rate limits and trusted proxies, on every front."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.contract.cases import models
from tests.contract.conftest import Serve
from tests.contract.exchanges import Request, eventually, plain

PAGE = "https://app.example"
LIMITED = replace(
    models.LINEAR,
    environment=(
        ("DRUM_RATE_LIMIT_ENABLED", "true"),
        ("DRUM_RATE_LIMIT_RPM", "2"),
        ("DRUM_CORS_ENABLED", "true"),
        ("DRUM_CORS_ORIGINS", PAGE),
    ),
)


def statuses(client: Any, path: str, count: int, **headers: str) -> list[int]:
    return [client.get(path, headers).status for _ in range(count)]


def test_client_that_sends_too_much_is_answered_429(own_client: Serve) -> None:
    client = own_client(LIMITED)
    records: list[Any] = []
    client.server.recorder.add(records.append)
    assert statuses(client, "/info/", 3) == [200, 200, 429]
    answer = client.get("/info/", {"Origin": PAGE})
    assert 1 <= int(answer.header("Retry-After") or 0) <= 120
    assert answer.json()["message"].startswith("ERROR: too many requests; try again in ")
    assert answer.header("Access-Control-Allow-Origin") == PAGE
    assert answer.header("X-Content-Type-Options") == "nosniff"
    # a server may end a record after the client has its answer
    eventually(lambda: len(records) == 4)
    assert [record.status for record in records] == [200, 200, 429, 429]
    assert {record.route for record in records} == {"/info/"}


def test_probes_are_never_limited(own_client: Serve) -> None:
    client = own_client(LIMITED)
    for path in ("/livez", "/readyz/", "/startupz", "/health/", "/", "/ping"):
        assert statuses(client, path, 4) == [200] * 4
    assert statuses(client, "/nope", 3) == [404, 404, 429]


def test_limit_counts_the_clients_of_a_trusted_proxy_apart(own_client: Serve) -> None:
    client = own_client(LIMITED)
    for address in ("203.0.113.1", "203.0.113.2"):
        forwarded = {"X-Forwarded-For": f"1.1.1.1, {address}"}
        assert statuses(client, "/info/", 3, **forwarded) == [200, 200, 429]


def test_limit_cannot_be_escaped_by_headers_of_an_untrusted_peer(own_client: Serve) -> None:
    client = own_client(LIMITED.with_environment(DRUM_TRUSTED_PROXIES="10.0.0.0/8"))
    found = [
        status
        for number in range(3)
        for status in statuses(client, "/info/", 1, **{"X-Forwarded-For": f"203.0.113.{number}"})
    ]
    assert found == [200, 200, 429]


@pytest.mark.parametrize(
    ("trusted", "client_address"), [("127.0.0.1", "203.0.113.7"), ("10.0.0.1", "127.0.0.1")]
)
def test_record_tells_the_client_behind_trusted_proxies_only(
    own_client: Serve, trusted: str, client_address: str
) -> None:
    client = own_client(models.LINEAR.with_environment(DRUM_TRUSTED_PROXIES=trusted))
    records: list[Any] = []
    client.server.recorder.add(records.append)
    sent = (("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", "203.0.113.7:51000"))
    assert client.send(Request("GET", "/ping/", sent)).status == 200
    eventually(lambda: len(records) == 1)
    assert [record.client for record in records] == [client_address]


@pytest.mark.parametrize(
    ("sent", "is_echoed"),
    [
        ("a", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ("caf\xe9", False),
    ],
)
def test_request_id_is_echoed_when_it_is_sane(
    own_client: Serve, sent: str, is_echoed: bool
) -> None:
    answer = own_client(models.LINEAR).send(Request("GET", "/livez", plain({"X-Request-ID": sent})))
    assert (answer.header("X-Request-ID") == sent) is is_echoed
    assert answer.header("X_Request_ID") == answer.header("X-Request-ID")
