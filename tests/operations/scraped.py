"""What `/metrics` of a running server says, as tests compare it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.conftest import RunningServer
from tests.operations.fronts import wait_for
from tests.operations.mixed_load import Tally

#: what tests ask while they wait; those requests are counted as well
ASKED_BY_TESTS = ("/metrics", "/health/", "/stats/")


def _ask(server: RunningServer, replies: list[str]) -> bool:
    try:
        reply = server.get("/metrics", headers={"Connection": "close"})
    except httpx.TransportError:
        return False
    if reply.status_code == 200:
        replies.append(reply.text)
    return bool(replies)


@dataclass(frozen=True)
class Page:
    """One scrape."""

    samples: tuple[Sample, ...]

    @classmethod
    def of(cls, server: RunningServer) -> Page:
        """Read it, on a connection of its own: any worker may answer.

        It is asked again where a worker has no time for it, or ends: so does Prometheus.
        """
        replies: list[str] = []
        wait_for(lambda: _ask(server, replies), "an answer of /metrics")
        families = text_string_to_metric_families(replies[0])
        return cls(tuple(sample for family in families for sample in family.samples))

    def value(self, name: str, **labels: str) -> float:
        """The sum of the series with that name and these labels."""
        return sum(sample.value for sample in self._found(name, labels))

    def _found(self, name: str, labels: dict[str, str]) -> list[Sample]:
        return [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    @property
    def requests(self) -> Tally:
        """Requests by method, endpoint and status, without those that tests ask themselves."""
        tally = Tally()
        for sample in self._found("drum_requests_total", {}):
            of = sample.labels
            if of["endpoint"] not in ASKED_BY_TESTS and sample.value:
                tally[of["method"], of["endpoint"], of["status"]] = int(sample.value)
        return tally

    @property
    def observed(self) -> Counter[tuple[str, str]]:
        """Durations that were noted, by method and endpoint."""
        found = self._found("drum_request_duration_seconds_count", {})
        return Counter(
            {
                (s.labels["method"], s.labels["endpoint"]): int(s.value)
                for s in found
                if s.labels["endpoint"] not in ASKED_BY_TESTS
            }
        )
