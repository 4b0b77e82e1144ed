"""Print a message when a server answers its readiness probe; stay silent if it ends first."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request


def is_ready(url: str) -> bool:
    """Does the probe answer with 200?"""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def is_alive(pid: int) -> bool:
    """Does the process exist?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main(url: str, pid: int, message: str) -> None:
    """Wait for the server with this process id."""
    while is_alive(pid):
        if is_ready(url):
            print(message, flush=True)
            return
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
