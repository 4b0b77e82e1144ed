"""Peak memory of a process, as the kernel counted it."""

from __future__ import annotations

import re
import resource
from pathlib import Path

MIB = 1024 * 1024
_STATUS = Path("/proc/self/status")


def peak_memory(status: Path = _STATUS) -> float:
    """The most that this process has had in memory so far, in MiB.

    `ru_maxrss`, used where there is no `/proc`, starts with the parent's figure in a new process.
    """
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
    except OSError:
        found = None
    kibibytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / 1024
