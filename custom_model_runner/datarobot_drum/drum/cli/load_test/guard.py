"""A process between `drum perf-test` and the server, which ends the server whatever happens.

It reads a pipe that nobody writes to: the pipe ends when the command ends, be it killed. Then the
server gets SIGTERM, and after a while its process group SIGKILL. Exit code: that of the server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

STOP_SECONDS = 10.0


def main() -> int:
    """Start the command that the arguments tell, and end it when standard input ends."""
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    code = server.wait()
    _kill_group(server.pid)
    return code


def _end_with_input(server: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    server.terminate()
    time.sleep(STOP_SECONDS)  # when the server ends meanwhile, so does this process
    _kill_group(server.pid)


def _kill_group(pid: int) -> None:
    """The server and what it has left behind; the group lives as long as one of them does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
