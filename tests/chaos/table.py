"""The faults: what is done, to which servers, and what is promised. The document lists them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos import hooks, machine, processes
from tests.chaos.site import Site
from tests.operations.fronts import FLASK, PRODUCTION, Front

GUNICORN, FASTAPI = PRODUCTION[0], PRODUCTION[-1]
EVERY = (FLASK, GUNICORN, FASTAPI)
SUPERVISED = (GUNICORN, FASTAPI)
#: What an orchestrator may meet besides 200.
TURNED_AWAY = frozenset({"503"})
#: Where the request timeout is short, and a server that starts again takes longer.
OVER_TIME = frozenset({"503", "504"})
WORKERS = 2
SHORT_TIMEOUT = {"DRUM_CLIENT_REQUEST_TIMEOUT": "2"}
RECYCLING = {
    "DRUM_UVICORN_MAX_REQUESTS": str(hooks.RECYCLED_AFTER),
    "DRUM_UVICORN_MAX_REQUESTS_JITTER": str(hooks.JITTER),
}


def no_settings(site: Site) -> dict[str, str]:
    """The server is as usual."""
    return {}


@dataclass(frozen=True)
class Fault:
    """One of them, and its promises, which are asserted for each server type.

    `victim` is what may become of requests that meet the fault; `others` the statuses besides 200
    that others may see. Requests are lost only where `loses` says so, and then no more than were
    on their way on what ended. `ends` is the exit code of the server types that end; they are
    started again.
    """

    name: str
    strike: Callable[[Site], None]
    group: str
    fronts: tuple[Front, ...] = EVERY
    victim: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    loses: bool = False
    ends: Mapping[str, int] = field(default_factory=dict)
    #: settings that it needs, and therefore a server of its own
    prepare: Callable[[Site], dict[str, str]] = no_settings
    workers: int = WORKERS
    #: servers on which it is part of the short form
    short_on: tuple[Front, ...] = ()

    @property
    def is_usual(self) -> bool:
        """Can it happen to a server that other faults have happened to?"""
        return self.prepare is no_settings and self.workers == WORKERS

    @property
    def what(self) -> str:
        """What is done."""
        return (self.strike.__doc__ or "").strip()


CUT = frozenset({"cut"})
SERVED = frozenset({"200"})
REFUSED = frozenset({"503"})
PROCESSES, HOOKS, MACHINE = "Processes", "Model code", "Machine, neighbours, clients"

FAULTS = (
    Fault(
        "worker killed while predicting",
        processes.kill_while_predicting,
        PROCESSES,
        victim=CUT,
        loses=True,
        ends={"flask": -9},
        short_on=(GUNICORN, FASTAPI),
    ),
    Fault(
        "worker killed while streaming",
        processes.kill_while_streaming,
        PROCESSES,
        victim=frozenset({"stream cut"}),
        loses=True,
        ends={"flask": -9},
    ),
    Fault(
        "worker killed while loading",
        processes.kill_while_loading,
        PROCESSES,
        fronts=SUPERVISED,
        loses=True,
    ),
    Fault(
        "arbiter killed",
        processes.kill_arbiter,
        PROCESSES,
        fronts=SUPERVISED,
        loses=True,
        ends={"gunicorn": -9, "fastapi": -9},
    ),
    Fault(
        "SIGTERM under load",
        processes.terminate,
        PROCESSES,
        others=TURNED_AWAY,
        loses=True,
        ends={"flask": 130, "gunicorn": 0, "fastapi": 0},
        short_on=(FASTAPI,),
    ),
    Fault(
        "SIGHUP under load",
        processes.hang_up,
        PROCESSES,
        loses=True,
        ends={"flask": -1},
    ),
    Fault("reload of a broken model", processes.reload_broken_model, PROCESSES, fronts=SUPERVISED),
    Fault(
        "worker frozen",
        processes.freeze,
        PROCESSES,
        fronts=SUPERVISED,
        others=OVER_TIME,
        loses=True,
        prepare=lambda site: SHORT_TIMEOUT,
    ),
    Fault("machine paused", processes.pause, PROCESSES),
    Fault(
        "hook hangs",
        hooks.hang,
        HOOKS,
        victim=frozenset({"504"}),
        others=OVER_TIME,
        loses=True,
        ends={"flask": 1},
        prepare=lambda site: SHORT_TIMEOUT,
    ),
    Fault(
        "hook holds the interpreter lock",
        hooks.hold_lock,
        HOOKS,
        victim=CUT,
        others=OVER_TIME,
        loses=True,
        ends={"flask": -9},
        prepare=lambda site: SHORT_TIMEOUT,
    ),
    Fault(
        "hook eats memory up to a limit of its control group",
        hooks.eat_memory,
        HOOKS,
        victim=CUT,
        loses=True,
        ends={"flask": -9},
    ),
    Fault(
        "hook eats the address space",
        hooks.eat_address_space,
        HOOKS,
        victim=frozenset({"500"}),
    ),
    Fault("hook leaks", hooks.leak, HOOKS, fronts=SUPERVISED, prepare=lambda site: RECYCLING),
    Fault("hook closes stdout", hooks.close_stdout, HOOKS, victim=SERVED),
    Fault("hook forks", hooks.fork, HOOKS, victim=SERVED),
    Fault("hook forks and the child returns", hooks.fork_and_return, HOOKS, victim=SERVED),
    Fault(
        "hook calls os._exit",
        hooks.exit_process,
        HOOKS,
        victim=CUT,
        loses=True,
        ends={"flask": 7},
    ),
    Fault(
        "poisonous request repeated",
        hooks.poison,
        HOOKS,
        fronts=SUPERVISED,
        victim=CUT,
        loses=True,
    ),
    Fault(
        "disk full while spooling",
        machine.fill_disk,
        MACHINE,
        victim=REFUSED,
        short_on=(FASTAPI,),
    ),
    Fault("temporary folder gone", machine.lose_folder, MACHINE, victim=REFUSED),
    Fault(
        "clock set back",
        machine.turn_clock,
        MACHINE,
        victim=SERVED,
        prepare=machine.with_fake_clock,
    ),
    Fault("descriptors exhausted", machine.exhaust_descriptors, MACHINE, workers=1),
    Fault("OTLP collector dies", machine.lose_collector, MACHINE, prepare=machine.with_collector),
    Fault("clients vanish half way", machine.vanish, MACHINE),
    Fault("clients stay half open", machine.stay_half_open, MACHINE),
)
CASES = tuple((fault, front) for fault in FAULTS for front in fault.fronts)


def case_id(fault: Fault, front: Front) -> str:
    """The name of a case among the tests."""
    return f"{fault.name}-{front}".replace(" ", "_")
