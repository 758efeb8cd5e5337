"""What the scripts share that take turns with PyTorch."""

import os
import pathlib
import re
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS = int(os.environ.get("ROUNDS", 3))
ENVIRONMENT = {"MIMALLOC_PURGE_DELAY": "-1", **os.environ}  # as .cargo/config.toml has it
UNITS = {"ns": 1e-6, "\u00b5s": 1e-3, "us": 1e-3, "ms": 1.0, "s": 1e3}


def ours(bench, *filters):
    """Medians of a bench file in milliseconds, by (group, name); BENCH_BINARY names one that is built."""
    command = ["cargo", "bench", "--quiet", "--profile", "dev", "--bench", bench, "--"]
    command = [os.environ["BENCH_BINARY"], "--bench"] if "BENCH_BINARY" in os.environ else command
    output = subprocess.run(
        command + list(filters), cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    times, group = {}, None
    for line in output.splitlines():
        match = re.match(r"^[\u2502 ]*[\u251c\u2570]\u2500 (\w+) *(.*)$", line)
        columns = match[2].split("\u2502") if match else []
        if len(columns) > 2 and columns[2].strip():
            value, unit = columns[2].split()
            times[group, match[1]] = float(value) * UNITS[unit]
        elif match:
            group = match[1]
    return times


def printed(command, environment=None):
    """What an example prints; where it fails, the end of that and its complaint end this program."""
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ended.returncode != 0:
        raise SystemExit(f"{command} ended with {ended.returncode}:\n{ended.stdout[-1000:]}{ended.stderr}")
    return ended.stdout


def median(task, seconds=2.0):
    """The median of the milliseconds that a task takes, after two runs of it."""
    task()
    task()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3
