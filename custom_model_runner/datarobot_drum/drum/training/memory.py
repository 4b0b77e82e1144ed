"""Peak memory of this process and those it has run, as the kernel counted it."""

from __future__ import annotations

import re
import resource
from pathlib import Path

MIB = 1024 * 1024
_STATUS = Path("/proc/self/status")


def peak_memory(status: Path = _STATUS) -> float:
    """The most that this process, or one that it has run to its end, has had in memory, in MiB.

    Models in other languages train in a process of their own. For this one `ru_maxrss` is only
    used where there is no `/proc`: in a new process it starts with the parent's figure.
    """
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
    except OSError:
        found = None
    own = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
