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


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (("a", "b"), "a,b"),
        (("a", "a"), "a,a"),
        # an id that is fine does not save one that is not
        (("a", "b c"), None),
        (("x" * 100, "x" * 100), None),
        (("a", "caf\xe9"), None),
    ],
)
def test_repeated_request_ids_are_one_id_or_none(
    own_client: Serve, sent: tuple[str, ...], told: str | None
) -> None:
    client = own_client(models.LINEAR)
    records: list[Any] = []
    client.server.recorder.add(records.append)
    answer = client.send(Request("GET", "/livez", tuple(("X-Request-ID", id) for id in sent)))
    eventually(lambda: len(records) == 1)
    assert answer.header("X-Request-ID") == answer.header("X_Request_ID") == records[0].request_id
    assert records[0].request_id == told if told else len(records[0].request_id) == 36


@pytest.mark.parametrize("name", ["x-forwarded-for", "X-FORWARDED-FOR"])
@pytest.mark.parametrize(
    ("entries", "address"),
    [
        # ports, spelling and zones do not make other clients of one
        (("203.0.113.1:1", "203.0.113.1:2", "203.0.113.1"), "203.0.113.1"),
        (("::ffff:203.0.113.1", "[::ffff:203.0.113.1]:5", "203.0.113.1"), "203.0.113.1"),
        (("2001:db8::1", "2001:DB8:0:0::1", "[2001:db8::1]:9"), "2001:db8::1"),
        # what a client invents stands on the left
        (("1.1.1.1, 203.0.113.1", "2.2.2.2,203.0.113.1", "::1, 203.0.113.1"), "203.0.113.1"),
        # garbage is the proxy itself
        (("x", "203.0.113.1, <script>", "999.1.1.1"), "127.0.0.1"),
    ],
)
def test_limit_cannot_be_escaped_by_the_spelling_of_an_address(
    own_client: Serve, name: str, entries: tuple[str, ...], address: str
) -> None:
    client = own_client(LIMITED)
    records: list[Any] = []
    client.server.recorder.add(records.append)
    found = [client.get("/info/", {name: entry}).status for entry in entries]
    assert found == [200, 200, 429]
    eventually(lambda: len(records) == 3)
    assert {record.client for record in records} == {address}


def test_limit_cannot_be_escaped_by_the_spelling_of_a_path(own_client: Serve) -> None:
    client = own_client(LIMITED)
    paths = ("/predict/", "//predict/", "/%70redict/", "/predict/%2e%2e/livez", "/livez/../info/")
    assert [client.get(path).status for path in paths][2:] == [429] * 3
    # it is a probe however its characters are written, and nothing else is one
    for path in ("/%6civez", "/livez%2f", "//livez"):
        assert client.get(path).status == 200
    for path in ("/livez%00", "/LIVEZ", "/livez;x", "/livez//", "/x//livez", "/livez/x"):
        assert client.get(path).status == 429


def test_leading_slashes_are_one_on_every_front(own_client: Serve) -> None:
    client = own_client(models.LINEAR)
    records: list[Any] = []
    client.server.recorder.add(records.append)
    assert client.post("///predict/", b"a,b\n1,2\n").json() == {"predictions": [22.0]}
    assert client.get("//evil.example/%2e%2e").status == 404
    eventually(lambda: len(records) == 2)
    assert [record.route for record in records] == ["/predict/", "unmatched"]


@pytest.mark.parametrize(
    "path",
    [
        *("/ping/", "/pre//ping/", "/PRE/ping/", "/prefix/ping/", "/%252fpre/ping/"),
        *("/pre/../pre/ping/", "/pre/./ping/", "/pre;x/ping/", "/pre/ping/%00", "/pre%00/ping/"),
    ],
)
def test_prefix_has_one_spelling(own_client: Serve, path: str) -> None:
    client = own_client(models.LINEAR.with_environment(URL_PREFIX="/pre"))
    assert client.get(path).status == 404
    for same in ("/p%72e/ping/", "/pre%2fping/", "//pre/ping/"):
        assert client.get(same).status == 200


def test_huge_query_is_no_problem_of_a_route(own_client: Serve) -> None:
    client = own_client(models.LINEAR)
    query = "&".join(f"a{number}={number}" for number in range(400))
    assert client.post(f"/predict/?{query}", b"a,b\n1,2\n").status == 200
    assert client.get(f"/info/?{'%41' * 1000}").status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:99", "[::1]", "a.example:80"])
def test_host_of_a_request_is_told_nobody(own_client: Serve, host: str) -> None:
    docs = models.LINEAR.with_environment(DRUM_FASTAPI_ENABLE_DOCS="true")
    client = own_client(docs)
    for path in ("/ping", "/docs", "/openapi.json", "/nope"):
        answer = client.send(Request("GET", path, (("Host", host), ("X-Forwarded-Host", host))))
        assert answer.header("Location") is None
        assert host.encode() not in answer.body
