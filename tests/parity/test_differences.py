"""The comparison finds what differs, and only what is declared may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.parity.differences import declared, facts_of, faults
from tests.parity.evidence import BEGIN, END, run_lines, write
from tests.parity.malformed import facts_of_bytes, statuses
from tests.parity.tally import Tally
from tests.parity.wire import Received, Sent

SENT = Sent(b"POST", b"/predict/", (), b"a\n1\n")
IDS = (
    ("X-Request-ID", "0d5b1a53-4f0d-4a52-9a3c-6f5b2f1f0a11"),
    ("X_Request_ID", "0d5b1a53-4f0d-4a52-9a3c-6f5b2f1f0a11"),
)
OTHER_IDS = tuple((name, value.replace("0d", "1e")) for name, value in IDS)
ANSWER = Received(200, (("Content-Type", "application/json"), ("Date", "x"), *IDS), b'{"a":1.0}')


def with_headers(*more: tuple[str, str]) -> Received:
    return replace(ANSWER, headers=(*ANSWER.headers, *more))


@pytest.mark.parametrize(
    "other",
    [
        replace(ANSWER, status=201),
        replace(ANSWER, body=b'{"a":1}'),
        replace(ANSWER, body=b'{"a": 1.0}'),
        with_headers(("Vary", "Origin")),
        replace(ANSWER, headers=(("Content-Type", "text/plain"), *IDS)),
        replace(
            ANSWER, headers=(("Content-Type", "application/json"), *IDS[:1], ("X_Request_ID", "a"))
        ),
        Received(0, lost="RemoteDisconnected"),
        replace(ANSWER, status=500, body=b'{"message":"ERROR: internal error; request id x"}'),
        replace(ANSWER, status=502, body=b'{"message":"ERROR: x"}'),
    ],
)
def test_what_is_not_declared_is_a_fault(other):
    assert faults(SENT, {"one": ANSWER, "other": ANSWER}) == []
    assert faults(SENT, {"one": ANSWER, "other": other}) != []


@pytest.mark.parametrize(
    "other",
    [
        replace(ANSWER, headers=(("content-type", "application/json"), ("Date", "y"), *OTHER_IDS)),
        replace(ANSWER, headers=(*IDS, ("Content-Type", "application/json"))),
        with_headers(("Connection", "close"), ("Server", "drum"), ("Transfer-Encoding", "chunked")),
    ],
)
def test_what_is_declared_may_differ(other):
    assert faults(SENT, {"one": ANSWER, "other": other}) == []


def test_error_that_all_servers_share_is_a_fault_all_the_same():
    bug = replace(ANSWER, status=500, body=b'{"message":"ERROR: internal error; request id x"}')
    failed = replace(ANSWER, status=500, body=b'{"message":"ERROR: the hook failed"}')
    assert faults(SENT, {"one": failed, "other": failed}) == []
    assert len(faults(SENT, {"one": bug, "other": bug})) == 2


def test_headers_of_one_name_keep_their_order():
    first, second = (
        with_headers(("Set-Cookie", one), ("Set-Cookie", two)) for one, two in ("ab", "ba")
    )
    assert facts_of(SENT, first) != facts_of(SENT, second)


@pytest.mark.parametrize("path", [b"/stats/", b"/st%61ts"])
def test_figures_are_compared_by_their_keys(path):
    stats = Sent(b"GET", path)
    one, other, wrong = (
        Received(200, (), body)
        for body in (b'{"rss":1.5,"pids":[1]}', b'{"rss":null,"pids":[1,2]}', b'{"vms":1}')
    )
    assert faults(stats, {"one": one, "other": other}) == []
    assert faults(stats, {"one": one, "other": wrong}) != []
    assert faults(SENT, {"one": one, "other": other}) != []


def test_answers_to_malformed_bytes_are_compared_in_their_order():
    ok, bad = (
        b"HTTP/1.1 %b\r\nDate: %b\r\nContent-Length: 0\r\n\r\n" % pair
        for pair in ((b"200 OK", b"a"), (b"400 Bad Request", b"b"))
    )
    assert statuses(b"HTTP/1.1 100 Continue\r\n\r\n" + ok + bad) == [200, 400]
    assert facts_of_bytes(ok + bad) == facts_of_bytes((ok + bad).replace(b"Date: a", b"date: c"))
    assert facts_of_bytes(ok + bad) != facts_of_bytes(bad + ok)


def test_every_allowed_difference_has_its_reason():
    assert all(each.where and each.instead and each.why for each in declared())


def test_page_tells_what_was_asked_and_answered(tmp_path):
    tally = Tally(wanted=2, seed=7)
    tally.requests.update({("forms", "flask"): 2, ("grid: binary", "flask"): 3})
    tally.statuses["flask", 422] = 5
    page = tmp_path / "PARITY.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, run_lines(tally))
    text = page.read_text()
    for line in ("| forms | 2 |", "| **generated** | 2 |", "| **all** | 5 |", "| 422 | 5 |"):
        assert line in text
    assert "SEED=7 REQUESTS=2 make parity" in text
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text


def test_page_without_marks_is_an_error(tmp_path):
    page = tmp_path / "PARITY.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="put them in"):
        write(page, ["x"])
