"""Training epochs beside PyTorch's: `python benches/epoch.py [mlp | conv | conv-norm] ...` (with torch from PyPI).

Takes turns: an epoch or more of ours (`cargo bench --profile dev --bench epoch`), of PyTorch eager, of torch.compile,
each in a process of its own, ROUNDS times over; the first epoch of each process warms it up. Prints a Markdown table
of medians, ratios and peak memory. BENCH_FEATURES (cargo features) and BENCH_DEVICE (burn's name of a device) choose
another device for ours, TORCH_DEVICE one for PyTorch; BATCH, IMAGES, EPOCHS and ROUNDS another size. On a machine
without cargo, BENCH_BINARY is the bench as it was built elsewhere.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH, IMAGES, EPOCHS, ROUNDS = (
    int(os.environ.get(name, default))
    for name, default in [("BATCH", 128), ("IMAGES", 60_000), ("EPOCHS", 3), ("ROUNDS", 3)]
)
LATENT = 20


def model(name):
    import torch
    from torch import nn
    from torch.nn import functional as F

    def mlp():
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU())
        decoder = nn.Sequential(nn.Linear(LATENT, 400), nn.ReLU(), nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)))
        return encoder, 400, decoder

    def conv(filters, hidden, norm):
        a, b = filters

        def up(inputs, outputs):
            return nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1)

        def after(features):
            return [nn.BatchNorm2d(features)] * norm + [nn.ReLU()]

        encoder = nn.Sequential(
            nn.Conv2d(1, a, 3, 2, 1), *after(a), nn.Conv2d(a, b, 3, 2, 1), *after(b),
            nn.Flatten(), nn.Linear(49 * b, hidden), nn.ReLU(),
        )  # fmt: skip
        decoder = nn.Sequential(
            nn.Linear(LATENT, hidden), nn.ReLU(), nn.Linear(hidden, 49 * b), nn.Unflatten(1, (b, 7, 7)), nn.ReLU(),
            up(b, a), *after(a), up(a, 1),
        )  # fmt: skip
        return encoder, hidden, decoder

    class Vae(nn.Module):
        def __init__(self, encoder, features, decoder):
            super().__init__()
            self.encoder, self.decoder = encoder, decoder
            self.mean, self.log_var = nn.Linear(features, LATENT), nn.Linear(features, LATENT)

        def forward(self, x):
            features = self.encoder(x)
            mean, log_var = self.mean(features), self.log_var(features)
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(log_var)
            bce = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
            return bce + kl

    parts = {"mlp": mlp, "conv": lambda: conv((32, 64), 16, 0), "conv-norm": lambda: conv((8, 16), 400, 1)}
    return Vae(*parts[name]())


def torch_epochs(name, compiled):
    import resource

    import torch

    device = os.environ.get("TORCH_DEVICE", "cpu")
    torch.manual_seed(1)
    # Pixels like those of digits: most are black. What they show does not change the time.
    images = torch.rand(IMAGES, 1, 28, 28)
    images = images.mul_(torch.rand(IMAGES, 1, 28, 28) < 0.2).to(device)
    vae = model(name).to(device)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    loss_of = torch.compile(vae) if compiled else vae
    seconds = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        order = torch.randperm(IMAGES, device=device)
        total = torch.zeros((), device=device)
        for first in range(0, IMAGES, BATCH):
            batch = images[order[first : first + BATCH]]
            optimizer.zero_grad()
            loss = loss_of(batch)
            (loss / len(batch)).backward()
            optimizer.step()
            total += loss.detach()
        total.item()
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    with torch.no_grad():
        for _ in range(100):
            samples = vae.decoder(torch.randn(1000, LATENT, device=device)).sigmoid()  # as ours
        samples.sum().item()
    sampling = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "sampling": sampling, "peak_kib": peak}))


def run(command):
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main(names):
    ours = ["cargo", "bench", "--quiet", "--profile", "dev", "--bench", "epoch"]
    if features := os.environ.get("BENCH_FEATURES"):
        ours += ["--features", features]
    ours.append("--")
    if binary := os.environ.get("BENCH_BINARY"):
        ours = [binary]
    if device := os.environ.get("BENCH_DEVICE"):
        os.environ["BURN_DEVICE"] = device
    print("| model | | s an epoch | ratio | s for 100,000 samples | peak memory, MiB |\n|---|---|---|---|---|---|")
    for name in names:
        size = [name, "--images", str(IMAGES), "--batch", str(BATCH), "--epochs", str(EPOCHS)]
        sides = {
            "burn-generative": [*ours, *size],
            "PyTorch eager": [sys.executable, __file__, "--torch", name, "eager"],
            "torch.compile": [sys.executable, __file__, "--torch", name, "compile"],
        }
        times, sampling, peaks = {side: [] for side in sides}, {side: [] for side in sides}, {}
        for _ in range(ROUNDS):
            for side, command in sides.items():
                result = run(command)
                times[side] += result["seconds"][1:]
                sampling[side].append(result["sampling"])
                peaks[side] = max(peaks.get(side, 0), result["peak_kib"] / 1024)
        own = statistics.median(times["burn-generative"])
        for side in sides:
            median = statistics.median(times[side])
            spread = f"{min(times[side]):.2f}-{max(times[side]):.2f}"
            samples = statistics.median(sampling[side])
            row = [name, side, f"{median:.2f} ({spread})", f"{own / median:.2f}", f"{samples:.2f}", f"{peaks[side]:.0f}"]
            print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--torch"]:
        torch_epochs(sys.argv[2], sys.argv[3] == "compile")
    else:
        main(sys.argv[1:] or ["mlp", "conv", "conv-norm"])
