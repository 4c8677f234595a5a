"""Processor time of process trees, from /proc: it moves less than the clock on a busy machine."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12  # of /proc/*/stat, counted after the name


def of_descendants(root: int) -> float:
    """Seconds that the living descendants of a process have used, without the process itself."""
    children: dict[int, list[int]] = defaultdict(list)
    used: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        process = int(folder.name)
        children[int(fields[_PARENT])].append(process)
        used[process] = (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK_SECONDS
    total, waiting = 0.0, [*children[root]]
    while waiting:
        process = waiting.pop()
        total += used.get(process, 0.0)
        waiting += children[process]
    return total


def parent_of(process: int) -> int:
    """The number of the parent of a process."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[_PARENT])
