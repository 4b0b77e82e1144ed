"""Faults of what is around a server: disk, clock, descriptors, collector, clients."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.site import ANSWERS, Site, open_files
from tests.operations.fronts import wait_for
from tests.operations.raw_http import RawConnection
from tests.stand_ins.otlp_receiver import collecting

WALL_CLOCK = Path(__file__).with_name("wall_clock.c")
DAY = 86_400
HALF_OPEN = 25
HEAD = b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
#: What clients have sent when they vanish.
UNFINISHED = (
    b"",
    b"POST /predict/ HT",
    HEAD + b"Content-Length: 1000000\r\n\r\na\n1\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\na\n1\n\r\n",
    HEAD + b"Content-Length: 4\r\n\r\na\n1\n",
)
NO_LINGER = struct.pack("ii", 1, 0)


def fill_disk(site: Site) -> None:
    """The folder for large uploads is on a file system that has room for half of one."""
    site.happens()
    with small_disk(site):
        site.meet("upload")
        site.end_of_victims()
        site.wait_for_answers()
    site.happens()
    assert site.upload(8).status_code == 200
    assert list(site.temporary.iterdir()) == []


@contextmanager
def small_disk(site: Site) -> Iterator[None]:
    """A tmpfs of 6 MB over the folder, or for those who may not mount, a limit of files."""
    folder = os.fspath(site.temporary)
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "chaos", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        site.how = "RLIMIT_FSIZE: this user may not mount"
        with site.disk("full_disk"):
            yield
        return
    site.how = "tmpfs of 6 MB"
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def lose_folder(site: Site) -> None:
    """The folder for temporary files is removed, and made again."""
    with site.disk("without_folder"):
        site.meet("upload")
        site.end_of_victims()
        site.wait_for_answers()
    site.happens()
    assert site.upload(8).status_code == 200


def exhaust_descriptors(site: Site) -> None:
    """40 idle connections take the last descriptors of the only worker."""
    with site.disk("no_descriptors"):
        if site.front.server_type != "flask":
            # those that are connected are served
            site.loads[0].wait_for_answers(20)
    site.happens()


def turn_clock(site: Site) -> None:
    """The system's time goes back by a day, then forward by two, each while a hook runs."""
    before = site.pids
    for offset in (-DAY, DAY):
        site.meet("gate")
        site.reached("gate")
        (site.place / "clock").write_text(str(offset))
        site.happens()
        gate = site.touch("gate.open")
        site.end_of_victims()
        gate.unlink()
        site.wait_for_answers()
    assert site.pids == before


def with_fake_clock(site: Site) -> dict[str, str]:
    """A library in front of libc's clocks that reads the offset from a file."""
    library, offset = site.place.parent / "wall_clock.so", site.place / "clock"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, WALL_CLOCK], check=True)
    return {"LD_PRELOAD": os.fspath(library), "WALL_CLOCK_OFFSET": os.fspath(offset)}


def lose_collector(site: Site) -> None:
    """The OTLP collector ends while the server runs, and does not come back."""
    site.at_fault.close()
    site.happens()
    site.wait_for_answers(3 * ANSWERS)


def with_collector(site: Site) -> dict[str, str]:
    """A collector that takes what there is, until the fault."""
    collector = site.at_fault.enter_context(collecting())
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }


def vanish(site: Site) -> None:
    """125 clients send nothing, half a head, half a body or a whole request, and reset."""
    before = open_files(site.pids)
    site.happens()
    with ExitStack() as stack:
        for sent in UNFINISHED * HALF_OPEN:
            stack.enter_context(resetting(site.port)).send(sent)
        site.wait_for_answers()
    site.wait_for_answers()
    wait_for(lambda: open_files(site.pids) <= before + site.clients, "the end of their connections")


@contextmanager
def resetting(port: int) -> Iterator[RawConnection]:
    """A connection that ends without a word: RST in place of FIN."""
    with RawConnection(port) as connection:
        yield connection
        with contextlib.suppress(OSError):
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)


def stay_half_open(site: Site) -> None:
    """125 clients send the same and stay; the server must cut them and answer the others."""
    before = open_files(site.pids)
    site.happens()
    with ExitStack() as stack:
        for sent in UNFINISHED * HALF_OPEN:
            stack.enter_context(RawConnection(site.port)).send(sent)
        site.wait_for_answers(2 * ANSWERS)
        if site.front.server_type != "flask":
            # those whose request was whole have an answer and a kept connection
            most = before + site.clients + HALF_OPEN
            wait_for(lambda: open_files(site.pids) <= most, "the cut", 60)
