"""Timing processes, and saying on what machine.

A measurement is a process from its start to its end, as its parent sees it: wall time, processor
time and peak memory of it and of the children it waited for (`wait4`).
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass
class Measure:
    """One process, measured."""

    seconds: float
    processor: float
    peak_mb: float


class Failed(Exception):
    """A program that was to be measured did not do its work."""


def run(argv, folder, environment=None, log="bench.log", expect=(0,)):
    """Runs a program to its end. What it says goes to `log` in the folder above `folder`."""
    path = os.path.join(os.path.dirname(os.path.abspath(folder)), log)
    with open(path, "wb") as out:
        began = time.perf_counter()
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in expect:
        with open(path, "rb") as out:
            tail = out.read()[-3000:].decode(errors="replace")
        raise Failed(f"{' '.join(argv[:6])} … ended with {child.returncode}:\n{tail}")
    return Measure(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(measures):
    """The median of each part."""
    return Measure(*(statistics.median(getattr(m, part) for m in measures) for part in
                     ("seconds", "processor", "peak_mb")))


def seconds(value):
    """Seconds as people read them."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"
    return f"{value:.1f} s" if value < 600 else f"{value / 60:.0f} min"


def table(head, rows):
    """A Markdown table: the first column is text, the others are numbers."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def say(text=""):
    """A line of the result."""
    print(text, flush=True)


def note(text):
    """A line of the story."""
    print(text, file=sys.stderr, flush=True)


def machine():
    """The machine in a line."""
    with open("/proc/cpuinfo") as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    with open("/proc/meminfo") as info:
        memory = int(next(info).split()[1]) / (1 << 20)
    kernel = platform.release().split("-")[0]
    load = os.getloadavg()[0]
    return (f"{models[0] if models else platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
            f"{memory:.0f} GiB; Linux {kernel}, {filesystem('.')}; load before: {load:.1f}")


def filesystem(path):
    """The type of the file system that a path lies on."""
    answer = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True)
    return answer.stdout.strip()


def version(argv):
    """The first line that a program says about itself that holds a digit."""
    answer = subprocess.run(argv, capture_output=True, text=True)
    lines = (answer.stdout + answer.stderr).splitlines()
    return next((line.strip() for line in lines if any(c.isdigit() for c in line)), "?")


def fresh(folder):
    """An empty folder of that name."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def settle():
    """Lets what was written get to the disk, and files get older than two seconds, after which
    tools trust their times."""
    os.sync()
    time.sleep(2.2)
