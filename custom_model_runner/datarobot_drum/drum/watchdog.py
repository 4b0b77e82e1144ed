"""A process beside the server that ends it when it no longer answers: `python -m ...watchdog`.

It is started by the process that becomes the server, so it knows the server as its parent, and
ends with it. Only the standard library is imported until the server must be ended.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

    from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.watchdog")

#: Seconds between SIGTERM and SIGKILL, unless the server has less to stop.
PATIENCE = 10.0
#: Seconds between two looks at the parent.
PARENT_PERIOD = 0.5
#: The n-th failure in a row is followed by a pause of n * n times this share of the period.
BACKOFF_SHARE = 0.4
#: Hosts that mean all addresses, and where to reach the server then.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104  # not bound


class Sign(Enum):
    """What a question to the server brought."""

    ANSWER = "any answer, whatever its status"
    SILENCE = "none in time, or nothing that is HTTP"
    CLOSED = "a connection that is refused: the server is stopping, and may finish its requests"


@dataclass(frozen=True)
class Watch:
    """What to ask, how often, and how many failures in a row are too many.

    `parent` is the process id of the server.
    """

    parent: int
    host: str
    port: int
    path: str
    uses_tls: bool
    period: float
    timeout: float
    max_attempts: int
    patience: float
    graceful_timeout: float

    @classmethod
    def of(cls, spec: ServeSpec, settings: Settings) -> Watch:
        """What the settings say of the server that this process becomes."""
        return cls(
            parent=os.getpid(),
            host=settings.watchdog_host or LOOPBACK.get(spec.host, spec.host),
            port=spec.port,
            path=f"{settings.url_prefix}/info/",
            uses_tls=settings.ssl_certfile is not None,
            period=settings.watchdog_period,
            timeout=settings.watchdog_request_timeout,
            max_attempts=settings.watchdog_max_attempts,
            patience=min(PATIENCE, settings.graceful_timeout),
            graceful_timeout=settings.graceful_timeout,
        )


def start(spec: ServeSpec, settings: Settings) -> None:
    """Start the process that watches this one, if the settings ask for it; returns at once."""
    if not settings.use_watchdog:
        return
    watch = json.dumps(asdict(Watch.of(spec, settings)))
    # -P: the model folder may be the working directory and hold any module
    subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, watch],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    logger.info("a watchdog asks %s every %g s", "/info/", settings.watchdog_period)


def run(watch: Watch) -> None:
    """Ask the server until its process has ended, or end it.

    Failures count from the first answer on: a server that cannot start ends by itself.
    """
    failures, closed_since, has_answered = 0, None, False
    while _sleep(watch, _pause(watch, failures)):
        sign = ask(watch)
        if sign is Sign.ANSWER:
            failures, closed_since, has_answered = 0, None, True
        elif not has_answered:
            continue
        elif sign is Sign.SILENCE:
            failures += 1
            _say(f"the server did not answer {watch.path}, {failures} of {watch.max_attempts}")
        else:
            closed_since = closed_since or time.monotonic()
        if failures >= watch.max_attempts or _is_stuck(watch, closed_since):
            end(watch)
            return


def _is_stuck(watch: Watch, closed_since: float | None) -> bool:
    if closed_since is None:
        return False
    return time.monotonic() - closed_since > watch.graceful_timeout + PATIENCE


def _pause(watch: Watch, failures: int) -> float:
    return watch.period * (BACKOFF_SHARE * failures * failures if failures else 1)


def _sleep(watch: Watch, seconds: float) -> bool:
    """Sleep, and tell whether the server's process is still there."""
    deadline = time.monotonic() + seconds
    while os.getppid() == watch.parent:
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, PARENT_PERIOD))
    return False


def ask(watch: Watch) -> Sign:
    """Ask the server for its `/info/`."""
    if watch.uses_tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # the certificate is for the name that clients use, and nothing secret is sent
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            watch.host, watch.port, timeout=watch.timeout, context=context
        )
    else:
        connection = http.client.HTTPConnection(watch.host, watch.port, timeout=watch.timeout)
    with contextlib.closing(connection):
        try:
            connection.request("GET", watch.path)
            connection.getresponse()
        except ssl.SSLError:
            return Sign.ANSWER  # it wants a certificate of us, so it is alive
        except (ConnectionRefusedError, ConnectionResetError):
            return Sign.CLOSED
        except (OSError, http.client.HTTPException):
            return Sign.SILENCE
    return Sign.ANSWER


def end(watch: Watch) -> None:
    """End the server and all that it has started, by their process ids: TERM, wait, KILL."""
    import psutil

    _say(f"the server is ended: it does not answer {watch.path}")
    try:
        server = psutil.Process(watch.parent)
        tree = [server, *server.children(recursive=True)]
        server.terminate()
    except psutil.NoSuchProcess:
        return
    others = [process for process in tree if process.pid != os.getpid()]
    _, alive = psutil.wait_procs(others, timeout=watch.patience)
    for process in alive:
        _kill(process)


def _kill(process: psutil.Process) -> None:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} ERROR drum.watchdog:  {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    run(Watch(**json.loads(sys.argv[1])))
