"""The tables and plots of docs/performance.md: `python benches/report.py` (with torch and matplotlib from PyPI).

Runs the benches of the kernels and their PyTorch twin one after the other, prints the tables as Markdown and writes
a plot for each kernel to docs/performance/. BENCH_DEVICE and BENCH_FEATURES (cargo features) choose another device;
the twin runs on the CPU, and is left out for any other.
"""

import os
import pathlib
import re
import subprocess
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVICE = os.environ.get("BENCH_DEVICE", "flex")
FILES = ["reparameterize", "gaussian_kl", "bernoulli_nll", "gaussian_nll"]
# Tensors of an argument's size that must be read or written: forward, and forward + backward.
TRAFFIC = {
    "reparameterize": (4, 8),
    "reparameterize_seeded": (3, 7),
    "gaussian_kl": (2, 6),
    "gaussian_kl_between": (4, 12),
    "bernoulli_nll": (2, 5),
    "gaussian_nll": (3, 8),
    "gaussian_nll_fixed": (2, 5),
}
UNITS = {"ns": 1e-3, "\u00b5s": 1.0, "us": 1.0, "ms": 1e3, "s": 1e6}


def divan(name):
    """Medians of a bench file in microseconds, by (kernel, bench) and shape."""
    command = ["cargo", "bench", "--profile", "dev", "--bench", name]
    if features := os.environ.get("BENCH_FEATURES"):
        command += ["--features", features]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    times, path = {}, []
    for line in output.splitlines():
        match = re.match(r"^([\u2502 ]*)[\u251c\u2570]\u2500 (\S.*?)(?:  +|$)(.*)$", line)
        if not match:
            continue
        depth = len(match[1]) // 3
        path = path[:depth] + [match[2]]
        columns = match[3].split("\u2502")
        if match[2].startswith("["):
            value, unit = columns[2].split()
            shape = "x".join(re.findall(r"\d+", match[2]))
            times.setdefault(tuple(path[:-1]), {})[shape] = float(value) * UNITS[unit]
    return times


def torch(names):
    """Medians of the twin in microseconds: eager and compiled, forward and forward + backward."""
    if DEVICE != "flex":
        return {}
    command = [sys.executable, ROOT / "benches" / "pytorch_twin.py", *names]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    times = {}
    for line in output.splitlines():
        words = line.split()
        if words and words[0] in TRAFFIC:
            times[words[0], words[1]] = [float(word) for word in words[2:]]
    return times


def elements(shape):
    rows, columns = map(int, shape.split("x"))
    return rows * columns


def time(microseconds):
    for unit, size in (("s", 1e6), ("ms", 1e3), ("us", 1)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds * 1e3:.3g} ns"


def row(kernel, shape, step, ours, plain, copy, peer):
    traffic = TRAFFIC[kernel][step] * 4 * elements(shape)
    of_copy = (traffic / ours) / (2 * 4 * elements(shape) / copy)
    eager, compiled = (f"{peer[k] / ours:.1f}" if peer else "" for k in (step, step + 2))
    return f"| {shape} | {time(ours)} | **{plain / ours:.1f}** | {eager} | {compiled} | {of_copy:.0%} |"


def plot(kernel, shapes, times, copies):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    sizes = [4 * elements(shape) / 2**20 for shape in shapes]
    for step, axis in enumerate(axes):
        suffix = ("_forward", "_forward_backward")[step]
        for label, colour, marker in (("ours", "#0072B2", "o"), ("plain", "#D55E00", "s")):
            rates = [
                TRAFFIC[kernel][step] * 4e-3 * elements(shape) / times[kernel, label + suffix][shape]
                for shape in shapes
            ]
            axis.plot(sizes, rates, color=colour, marker=marker, label=label)
        rates = [8e-3 * elements(shape) / copies[shape] for shape in shapes]
        axis.plot(sizes, rates, color="#555555", linestyle="--", marker="^", label="copy")
        axis.set(xscale="log", yscale="log", xlabel="MiB of one argument")
        axis.set_title(("forward", "forward + backward")[step])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("GB/s that must move")
    figure.suptitle(f"{kernel}, {DEVICE}", x=0.08, ha="left")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="upper right", ncols=3, frameon=False)
    figure.tight_layout()
    folder = ROOT / "docs" / "performance"
    folder.mkdir(exist_ok=True)
    matplotlib.rcParams["svg.hashsalt"] = "fixed"
    figure.savefig(folder / f"{kernel}-{DEVICE}.svg", metadata={"Date": None})
    plt.close(figure)


def main():
    for file in sys.argv[1:] or FILES:
        times = divan(file)
        copies = times["copy",]
        kernels = sorted({path[0] for path in times if len(path) == 2})
        peers = torch(kernels)
        for kernel in kernels:
            shapes = list(times[kernel, "ours_forward"])
            print(f"\n### `{kernel}`\n")
            for step, (title, suffix) in enumerate(
                [("Forward", "_forward"), ("Forward + backward", "_forward_backward")]
            ):
                print(f"| {title} | ours | plain / ours | eager / ours | compiled / ours | of the copy's bandwidth |")
                print("|---|---|---|---|---|---|")
                for shape in shapes:
                    print(
                        row(
                            kernel,
                            shape,
                            step,
                            times[kernel, "ours" + suffix][shape],
                            times[kernel, "plain" + suffix][shape],
                            copies[shape],
                            peers.get((kernel, shape)),
                        )
                    )
                print(flush=True)
            plot(kernel, shapes, times, copies)


main()
