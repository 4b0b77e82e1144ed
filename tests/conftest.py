"""Fixtures that run `drum` as its users do: as a process, on a port, with nothing inherited."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.frameworks.environments import running_environment
from tests.stand_ins.inference_server import InferenceServer

# Tests write one custom.py after another: equal in size and second, the second would be read from
# the first one's bytecode.
sys.dont_write_bytecode = True

# A shell that starts the tests in the background lets them ignore SIGINT and SIGQUIT, `nohup` lets
# them ignore SIGHUP, and processes that they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TEMPLATES = Path(__file__).resolve().parents[1] / "model_templates"
NOT_IN_VERSION_CONTROL = shutil.ignore_patterns("*.pkl", "model.*", "__pycache__", "trained")
DRUM = (sys.executable, "-m", "datarobot_drum.drum.entry_point")

StartServer = Callable[..., "RunningServer"]
ServerContext = Callable[..., AbstractContextManager["RunningServer"]]
RunDrum = Callable[..., subprocess.CompletedProcess[str]]
Template = Callable[[str], Path]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what runs in this environment: tests marked for it, in the usual one the unmarked.

    Tests that need programs of the system run only when they are asked for (scripts/test_tools),
    and so does chaos (scripts/chaos).

    A framework's tests are never skipped because it is missing: asked for in the usual
    environment they are an error.
    """
    here = running_environment()
    if here is None and config.getoption("markexpr").startswith("framework"):
        raise pytest.UsageError("framework tests have environments: scripts/test_frameworks [NAME]")
    others = [item for item in items if _environment_of(item) != here]
    for marker in ("tools", "chaos"):
        if marker not in config.getoption("markexpr"):
            others += [i for i in items if i.get_closest_marker(marker) and i not in others]
    config.hook.pytest_deselected(items=others)
    dropped = set(others)
    items[:] = [item for item in items if item not in dropped]


def _environment_of(item: pytest.Item) -> str | None:
    mark = item.get_closest_marker("framework")
    return None if mark is None else str(mark.args[0])


@dataclass
class RunningServer:
    """A `drum server` process; requests never go through a proxy of the machine."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    @property
    def url(self) -> str:
        """Where it listens, without a last slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it and its workers have written so far."""
        return self.log_path.read_text(errors="replace")

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET, by its path."""
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST, by its path."""
        return self.client.post(path, **options)

    def wait_until_ready(self, path: str = "/health/", timeout: float = 90) -> None:
        """Return when `path` answers 200; fail at once when the process has ended."""
        deadline = time.monotonic() + timeout
        while not self.is_ready(path):
            if self.process.poll() is not None:
                pytest.fail(f"server ended with {self.process.returncode}:\n{self.log[-4000:]}")
            if time.monotonic() > deadline:
                pytest.fail(f"server not ready after {timeout} s:\n{self.log[-4000:]}")
            time.sleep(0.1)

    def is_ready(self, path: str = "/health/") -> bool:
        """Does `path` answer 200 now?"""
        try:
            return self.get(path, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, timeout: float = 20) -> int:
        """Ask it to stop with SIGTERM and return its exit code; -9 if it had to be killed."""
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        # the session's id is the process's: this ends workers that outlived it, too
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(10)


def find_free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process needs to start here and nothing else that this machine has set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PYTHONPATH" or name.startswith("COVERAGE_")
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**kept, "PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **(extra or {})}


def unmeasured(environ: Mapping[str, str]) -> dict[str, str]:
    """Coverage counts what commands run; in servers, of which there are hundreds, it is slow."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


@contextmanager
def started_server(
    home: Path,
    code_dir: Path | str,
    *args: str,
    env: Mapping[str, str] | None = None,
    server_type: str | None = None,
    cwd: Path | None = None,
    wait: bool = True,
    port: int | None = None,
) -> Iterator[RunningServer]:
    """A server for `code_dir`; with `wait=False` it may still be starting, or have failed to."""
    port = port or find_free_port()
    chosen = ("--server-type", server_type) if server_type else ()
    place = ("--code-dir", str(code_dir), "--address", f"127.0.0.1:{port}")
    log_path = home / f"server-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*DRUM, "server", *place, *chosen, *args],
            env=unmeasured(clean_environment(home, env)),
            cwd=cwd or home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = RunningServer(process, port, log_path)
    try:
        if wait:
            server.wait_until_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder that processes under test take for their user's home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def running_server(home: Path) -> ServerContext:
    """`with running_server(code_dir, *args, env=…, server_type=…, cwd=…, wait=…) as server:`."""

    def run(
        code_dir: Path | str, *args: str, **options: Any
    ) -> AbstractContextManager[RunningServer]:
        return started_server(home, code_dir, *args, **options)

    return run


@pytest.fixture
def start_server(running_server: ServerContext) -> Iterator[StartServer]:
    """As `running_server`, without a `with`: all servers stop when the test ends."""
    with ExitStack() as servers:
        yield lambda *args, **options: servers.enter_context(running_server(*args, **options))


@pytest.fixture(scope="session")
def run_drum(home: Path) -> RunDrum:
    """Run `drum <args>` to its end and return its exit code, stdout and stderr."""

    def run(
        *args: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*DRUM, *args],
            env=clean_environment(home, env),
            cwd=cwd or home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def clients_path() -> str:
    """Folder with packages that the package itself does without: put it on `PYTHONPATH`."""
    folders = sorted(Path(sys.prefix, "clients").glob("lib/python3*/site-packages"))
    assert folders, "scripts/install --dev installs the clients"
    return str(folders[0])


@pytest.fixture
def inference_server() -> Iterator[InferenceServer]:
    """A stand-in for NIM, vLLM and Triton."""
    with InferenceServer() as server:
        yield server


@pytest.fixture
def free_port() -> int:
    """A loopback port that nobody listens on."""
    return find_free_port()


@pytest.fixture(params=["flask", "gunicorn", "fastapi"])
def server_type(request: pytest.FixtureRequest) -> str:
    """Each of the three server types in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """`template(name)` is a copy of that example folder, its artifact made once a session."""
    made: dict[str, Path] = {}

    def copy(name: str) -> Path:
        if name not in made:
            made[name] = copy_template(name, tmp_path_factory.mktemp("templates") / name)
        return made[name]

    return copy


def copy_template(name: str, folder: Path) -> Path:
    """Copy an example folder as it is in version control, and train what there is to train."""
    shutil.copytree(TEMPLATES / name, folder, ignore=NOT_IN_VERSION_CONTROL)
    script = folder / "make_artifact.py"
    if script.exists():
        subprocess.run([sys.executable, str(script)], check=True, timeout=120)
    for options in re.findall(r"^drum (fit .*)$", (folder / "README.md").read_text(), re.MULTILINE):
        (folder / "trained").mkdir()
        subprocess.run([*DRUM, *options.split()], cwd=folder, check=True, timeout=120)
    return folder
