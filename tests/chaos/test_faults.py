"""Each fault of the table on each of its servers, under load: what clients saw, lost, waited for.

Six clients send predictions all the time and count exactly; nothing is asserted about seconds. The
records go to the file that `CHAOS_RESULTS` names. Run by `scripts/chaos`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from tests.chaos.measures import Seen, seen_by
from tests.chaos.records import Record, keep
from tests.chaos.site import Site
from tests.chaos.table import CASES, Fault, case_id
from tests.conftest import ServerContext
from tests.operations.fronts import Front

pytestmark = pytest.mark.chaos


def case(fault: Fault, front: Front) -> object:
    """Cases of one front run one after the other; they share a server."""
    marks = [pytest.mark.xdist_group(str(front))]
    if front in fault.short_on:
        marks.append(pytest.mark.chaos_short)
    return pytest.param(fault, front, id=case_id(fault, front), marks=marks)


@dataclass
class Sites:
    """Servers that outlive their cases: the proof of a recovery is the next fault.

    One that a case has left broken is thrown away.
    """

    running_server: ServerContext
    folders: pytest.TempPathFactory
    kept: dict[str, Site] = field(default_factory=dict)

    @contextmanager
    def site(self, fault: Fault, front: Front) -> Iterator[Site]:
        """A server for a case: its own if it has to be prepared for it."""
        site = self.kept.pop(str(front), None) if fault.is_usual else None
        site = site or self.new(fault, front)
        site.reset()
        try:
            yield site
        except BaseException:
            site.close()
            raise
        if fault.is_usual:
            self.kept[str(front)] = site
        else:
            stop(site)

    def new(self, fault: Fault, front: Front) -> Site:
        """Start one."""
        place = self.folders.mktemp("site")
        site = Site(self.running_server, place, front, fault.workers)
        site.environment = fault.prepare(site)
        site.start()
        return site


def stop(site: Site) -> None:
    """Whatever it went through, it ends in order."""
    try:
        assert site.stop() == site.front.interrupted, site.server.log[-3000:]
    finally:
        site.close()


@pytest.fixture(scope="module")
def sites(
    running_server: ServerContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    sites = Sites(running_server, tmp_path_factory)
    yield sites
    for site in sites.kept.values():
        stop(site)


@pytest.mark.parametrize(("fault", "front"), [case(*one) for one in CASES])
def test_service_recovers(
    fault: Fault, front: Front, sites: Sites, request: pytest.FixtureRequest
) -> None:
    with sites.site(fault, front) as site:
        seen = strike(site, fault)
        failed = list(broken_promises(site, fault, seen))
        keep(record_of(site, fault, seen, request.node.name, failed))
        assert failed == [], site.server.log[-3000:]


def strike(site: Site, fault: Fault) -> Seen:
    """Load, fault, recovery, load; what the clients saw."""
    with site.under_load():
        site.wait_for_answers()
        before = [copy.deepcopy(load.tally) for load in site.loads]
        site.phase.began = time.monotonic()
        fault.strike(site)
        site.wait_until_whole()
        site.end_of_victims()
        site.wait_for_answers()
    return seen_by([load.tally for load in site.loads], before, site.phase)


def broken_promises(site: Site, fault: Fault, seen: Seen) -> Iterator[str]:
    """What is not as the table says."""
    others = {str(status) for status in seen.statuses} - {"200"} - fault.others
    if others:
        yield f"others saw {sorted(others)}"
    if set(site.victims) != fault.victim:
        yield f"requests that met it: {dict(site.victims)}"
    may_lose = site.phase.may_lose if fault.loses else 0
    if seen.lost > may_lose:
        yield f"{seen.lost} requests lost, {may_lose} may be"
    server_type = site.front.server_type
    ends = [fault.ends[server_type]] if server_type in fault.ends else []
    if site.ends != ends:
        yield f"the server ended with {site.ends}"


def record_of(site: Site, fault: Fault, seen: Seen, test: str, failed: list[str]) -> Record:
    """For the document."""
    return Record(
        fault=fault.name,
        server=str(site.front),
        test=test,
        victims=dict(site.victims),
        statuses={str(status): count for status, count in sorted(seen.statuses.items())},
        sent=seen.sent,
        lost=seen.lost,
        refused=seen.refused,
        longest_pause=seen.longest_pause,
        next_answer=seen.next_answer,
        whole=site.phase.whole - site.phase.moment,
        ends=list(site.ends),
        how=site.how,
        failed=failed,
    )
