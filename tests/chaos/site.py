"""A server that is broken on purpose, what supervises it, and the clients that watch it.

The site plays the part of an orchestrator: when the process that was started ends, it is started
again on the same port, once its port is free.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
from tests.chaos.measures import Phase
from tests.conftest import RunningServer, ServerContext, find_free_port
from tests.operations.fronts import CSV, Front, is_alive, serving, wait_for, workers_of
from tests.operations.load import Load
from tests.operations.test_disk_faults import Server as Disk

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "faulty"
#: Answers that the clients get before the fault and after it.
ANSWERS = 60
PATIENCE = 120.0
STREAMED = {"messages": [{"role": "user", "content": "x"}], "stream": True}


class Site:
    """`server` is the one that runs now; `ends` are the exit codes of those that ended."""

    def __init__(
        self, running_server: ServerContext, place: Path, front: Front, workers: int
    ) -> None:
        self.front = front
        self.place = place
        self.temporary = place / "temporary"
        self.workers = 1 if front.server_type == "flask" else workers
        self.ends: list[int] = []
        #: how the fault was made, where machines differ
        self.how = ""
        #: what became of the requests that met the fault
        self.victims: Counter[str] = Counter()
        self.phase = Phase()
        self.environment: dict[str, str] = {}
        self.stack = ExitStack()
        #: what ends with the fault
        self.at_fault = ExitStack()
        #: what must hold when the server has stopped
        self.at_end: list[Callable[[], None]] = []
        self.port = find_free_port()
        self._running_server = running_server
        self._pool = ThreadPoolExecutor(64)
        self._sent: list[Future[str]] = []
        self.server: RunningServer
        self.loads: tuple[Load, ...] = ()
        self.temporary.mkdir()

    def reset(self) -> None:
        """Forget the last fault."""
        self.victims.clear()
        self.ends.clear()
        self.how, self.phase = "", Phase()
        for path in self.place.iterdir():
            if path.is_file():
                path.unlink()

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        env = {
            "FAULT_PLACE": str(self.place),
            "TMPDIR": str(self.temporary),
            "TARGET_NAME": "t",
            **self.environment,
        }
        args = ("--max-workers", str(self.workers), "--logging-level", "info")
        options = {"env": env, "target_type": "textgeneration", "port": self.port}
        self.server = self.stack.enter_context(
            serving(self._running_server, self.front, MODEL, *args, **options)  # type: ignore[arg-type]
        )

    @property
    def pids(self) -> set[int]:
        """The processes that serve."""
        if self.server.process.poll() is not None:
            return set()
        return workers_of(self.server) or {self.server.process.pid}

    def predict(self, command: str = "a") -> httpx.Response:
        """A prediction on a connection of its own."""
        return self._send("/predict/", content=f"{command}\n1\n".encode(), headers=CSV)

    def upload(self, megabytes: int) -> httpx.Response:
        """A prediction with a large body."""
        row = b"x" * 1_000_000 + b"\n"
        return self._send("/predict/", content=b"a\n" + row * megabytes, headers=CSV)

    def stream(self) -> str:
        """A chat, and how it ended."""
        with (
            self._client() as client,
            client.stream("POST", "/chat/completions", json=STREAMED) as r,
        ):
            lines = [line for line in r.iter_lines() if line]
        if lines and lines[-1] == "data: [DONE]":
            return "whole stream"
        return "stream with an error event" if "error" in lines[-1] else "stream cut"

    def _send(self, path: str, **options: object) -> httpx.Response:
        with self._client() as client:
            return client.post(path, **options)  # type: ignore[arg-type]

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, trust_env=False, timeout=PATIENCE)

    def meet(self, command: str) -> None:
        """Send a request that meets the fault; `victims` will tell what became of it."""
        self._sent.append(self._pool.submit(self._outcome, command))

    def _outcome(self, command: str) -> str:
        try:
            if command == "stream":
                return self.stream()
            return str(
                (self.upload(8) if command == "upload" else self.predict(command)).status_code
            )
        except httpx.TransportError:
            return "stream cut" if command == "stream" else "cut"

    def end_of_victims(self) -> None:
        """Wait for the requests that met the fault."""
        self.victims.update(sent.result(PATIENCE) for sent in self._sent)
        self._sent.clear()

    def reached(self, gate: str) -> int:
        """Wait until a model waits at that gate; its process."""
        path = self.place / f"{gate}.reached"
        wait_for(path.exists, f"the gate {gate}")
        pid = int(path.read_text())
        path.unlink()
        return pid

    def touch(self, name: str) -> Path:
        """Make a file that the model asks for."""
        path = self.place / name
        path.touch()
        return path

    def kill(self, pid: int) -> None:
        """Kill a process as the kernel does; requests on its connections may be lost."""
        is_all = pid == self.server.process.pid
        self.phase.may_lose += self.may_lose_with_server if is_all else len(connections_of(pid))
        self.happens()
        os.kill(pid, 9)
        wait_for(lambda: not is_alive(pid), "the end of the killed")

    def happens(self) -> None:
        """The moment from which the recovery is measured."""
        self.phase.moment = time.monotonic()

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Clients with kept connections and clients that open one for each request."""
        self.loads = (Load(self.port, 4), Load(self.port, 2, keeps_alive=False))
        with self.loads[0], self.loads[1]:
            yield

    @property
    def clients(self) -> int:
        """How many clients there are; each has one request on its way, at most."""
        return sum(load.clients for load in self.loads)

    @property
    def may_lose_with_server(self) -> int:
        """Where all ends at once: one request of each client, and one in the backlog.

        The kernel closes the socket that listens after connections, so that clients which come
        back at once are still let in.
        """
        return 2 * self.clients

    def wait_for_answers(self, count: int = ANSWERS) -> None:
        """Return when each kind of clients has got its share of so many answers."""
        for load in self.loads:
            load.wait_for_answers(count // 2)

    def wait_until_whole(self) -> None:
        """Return when as many workers as before answer predictions."""
        seen: set[int] = set()

        def is_whole() -> bool:
            self.supervise()
            seen.update(self._answering())
            return len(self.pids & seen) >= self.workers

        wait_for(is_whole, "as many workers as before", PATIENCE)
        self.phase.whole = time.monotonic()

    def _answering(self) -> set[int]:
        try:
            reply = self.predict("pid")
        except httpx.TransportError:
            time.sleep(0.05)
            return set()
        if reply.status_code != 200:
            time.sleep(0.05)
            return set()
        return {int(reply.json()["predictions"][0])}

    def supervise(self) -> None:
        """Start the server again if it has ended."""
        code = self.server.process.poll()
        if code is not None:
            self.ends.append(code)
            self.start()

    def stop(self) -> int:
        """Stop it as an orchestrator does; its exit code."""
        code = self.server.stop(30)
        for holds in self.at_end:
            holds()
        return code

    @contextmanager
    def disk(self, fault: str) -> Iterator[None]:
        """A fault of `tests/operations/test_disk_faults.py`, for this server."""
        with getattr(Disk(self.server, self.temporary), fault)():
            yield

    def close(self) -> None:
        """End all that it has started."""
        self.at_fault.close()
        self.stack.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


def connections_of(pid: int) -> list[object]:
    """Established connections of a process, which is stopped so that they do not change."""
    os.kill(pid, 19)
    found = psutil.Process(pid).net_connections("tcp")
    return [one for one in found if one.status == psutil.CONN_ESTABLISHED]


def open_files(pids: set[int]) -> int:
    """Descriptors of some processes."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
