"""What a training step costs over the network: `python benches/scaling.py`, on Linux, as the only user of loopback.

Starts servers (`remote_server`, one process a device), trains `vae_mnist` on them with models of several widths, and
reads the bytes that went over loopback from /proc/net/dev. Prints a Markdown table.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEATURES = ["--features", os.environ.get("BENCH_FEATURES", "remote")]
BATCH, IMAGES, EPOCHS = 128, 2_560, 3


def example(name):
    command = ["cargo", "build", "--example", name, "--message-format", "json", *FEATURES]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    artifacts = [json.loads(line) for line in lines if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == name)


def loopback_bytes():
    text = pathlib.Path("/proc/net/dev").read_text()
    return int(re.search(r"lo:\s*(\d+)", text)[1])


def epochs(vae, device, width, count, folder):
    """Seconds of the last epoch, and the bytes of the whole run."""
    out = pathlib.Path(folder) / f"{len(list(pathlib.Path(folder).iterdir()))}"
    before = loopback_bytes()
    flags = ["--generated", "--limit", str(IMAGES), "--hidden", str(width), "--epochs", str(count)]
    subprocess.run([vae, *flags, "--device", device, "--out", out], check=True, stdout=subprocess.DEVNULL, timeout=60)
    sent = loopback_bytes() - before
    last = json.loads((out / "metrics.json").read_text())["epochs"][-1]
    return last["seconds"], sent


def main():
    server, vae = example("remote_server"), example("vae_mnist")
    print("| hidden | parameters | devices | images a step | ms a step | kB a step |\n|---|---|---|---|---|---|")
    for width in [100, 400, 1600]:
        parameters = 2 * 784 * width + width * 2 + 784 + 3 * (20 * width) + 40
        for name, servers, count in [
            ("this process", [], 1),
            ("a server", ["flex"], 1),
            ("two devices of a server", ["flex,flex"], 2),
            ("two servers", ["flex", "flex"], 2),
        ]:
            with tempfile.TemporaryDirectory() as folder:
                processes = [
                    subprocess.Popen([server, "--device", devices, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                    for devices in servers
                ]  # fmt: skip
                try:
                    addresses = [re.search(r"ws://[^;\s]+", process.stdout.readline())[0] for process in processes]
                    if count > len(addresses) > 0:
                        addresses.append(addresses[0] + "#1")
                    device = ",".join(addresses) or "flex"
                    # The difference of two runs is that of their epochs: data and weights travel in both.
                    _, short = epochs(vae, device, width, 1, folder)
                    seconds, long = epochs(vae, device, width, 1 + EPOCHS, folder)
                except subprocess.TimeoutExpired:
                    print(f"| {width} | {parameters:,} | {name} | {BATCH * count} | hangs | |", flush=True)
                    continue
                finally:
                    for process in processes:
                        process.kill()
            steps = IMAGES / BATCH / count
            kilobytes = (long - short) / EPOCHS / steps / 1e3
            print(f"| {width} | {parameters:,} | {name} | {BATCH * count} | {1e3 * seconds / steps:.1f} | {kilobytes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
