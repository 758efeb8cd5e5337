"""Training steps of autoregressive models beside PyTorch's: `python benches/autoregressive.py` (with torch from PyPI).

Takes turns: the benches of ours (`cargo bench --profile dev --bench autoregressive -- training_step`), and the same networks
in PyTorch, eager and by torch.compile, each in a process of its own, ROUNDS times over. Prints a Markdown table of medians and
ratios.
"""

import json
import statistics
import subprocess
import sys

from turns import ROUNDS, median, ours

MODELS = {
    "made_784_500_100_rows": (100, 784),
    "nade_784_500_20_rows": (20, 784),
    "pixel_cnn_28x28_6_layers_32_features_16_images": (16, 1, 28, 28),
    "wave_net_10_layers_2_stacks_4_series_of_4000": (4, 4000),
}


def networks():
    """A network of each kind, from data to the logits of each variable."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def gated(x):
        a, b = x.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    class Masked(nn.Linear):
        def __init__(self, inputs, outputs, mask):
            super().__init__(inputs, outputs)
            self.register_buffer("mask", mask.float())

        def forward(self, x):
            return F.linear(x, self.weight * self.mask, self.bias)

    def made(pixels=784, hidden=500):
        place = torch.arange(pixels)
        degree = torch.arange(hidden) % (pixels - 1)
        into, out = degree[:, None] >= place[None, :], place[:, None] > degree[None, :]
        return nn.Sequential(Masked(pixels, hidden, into), nn.ReLU(), Masked(hidden, pixels, out))

    class Nade(nn.Module):
        def __init__(self, pixels=784, hidden=500):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(pixels, hidden).uniform_(-(pixels**-0.5), pixels**-0.5))
            self.start = nn.Parameter(torch.zeros(hidden))
            self.out = nn.Parameter(torch.zeros(pixels, hidden))
            self.bias = nn.Parameter(torch.zeros(pixels))

        def forward(self, x):
            added = x[:, :-1, None] * self.weight[None, :-1]
            sums = F.pad(added.cumsum(1), (0, 0, 1, 0))
            return (torch.relu(sums + self.start) * self.out).sum(2) + self.bias

    class GatedLayer(nn.Module):
        def __init__(self, inputs, features, kernel, is_first):
            super().__init__()
            self.margin, self.is_first = kernel // 2, is_first
            rows = self.margin if is_first else self.margin + 1
            self.vertical = nn.Conv2d(inputs, 2 * features, (rows, kernel))
            self.across = nn.Conv2d(2 * features, 2 * features, 1)
            # Of the first layer, without the pixel itself.
            self.horizontal = nn.Conv2d(inputs, 2 * features, (1, self.margin if is_first else self.margin + 1))
            self.residual = nn.Conv2d(features, features, 1)

        def forward(self, vertical, horizontal):
            margin, height = self.margin, vertical.shape[2]
            above = self.vertical(F.pad(vertical, (margin, margin, margin, 0)))[:, :, :height]
            if self.is_first:
                beside = self.horizontal(F.pad(horizontal, (margin, 0))[..., :-1])
            else:
                beside = self.horizontal(F.pad(horizontal, (margin, 0)))
            beside = self.residual(gated(beside + self.across(above)))
            above = gated(above)
            return (above, beside) if self.is_first else (vertical + above, horizontal + beside)

    class PixelCnn(nn.Module):
        def __init__(self, features=32, layers=6):
            super().__init__()
            first = GatedLayer(1, features, 7, True)
            self.layers = nn.ModuleList([first] + [GatedLayer(features, features, 3, False) for _ in range(layers - 1)])
            self.hidden, self.last = nn.Conv2d(features, features, 1), nn.Conv2d(features, 1, 1)

        def forward(self, x):
            above = beside = 2 * x - 1
            for layer in self.layers:
                above, beside = layer(above, beside)
            return self.last(torch.relu(self.hidden(torch.relu(beside))))

    class WaveNet(nn.Module):
        def __init__(self, channels=32, skip=64, layers=10, stacks=2, levels=256):
            super().__init__()
            self.dilations = [2**layer for layer in range(layers)] * stacks
            self.input = nn.Conv1d(1, channels, 1)
            self.dilated = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 2, dilation=d) for d in self.dilations)
            self.residual = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in self.dilations)
            self.skip = nn.ModuleList(nn.Conv1d(channels, skip, 1) for _ in self.dilations)
            self.hidden, self.last = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, levels, 1)

        def forward(self, x):
            past = F.pad(x[:, None, :-1] / 127.5 - 1, (1, 0))
            running, skips = self.input(past), 0
            for dilated, residual, skip, dilation in zip(self.dilated, self.residual, self.skip, self.dilations):
                units = gated(dilated(F.pad(running, (dilation, 0))))
                running = running + residual(units)
                skips = skips + skip(units)
            return self.last(torch.relu(self.hidden(torch.relu(skips))))

    return dict(zip(MODELS, [made, Nade, PixelCnn, WaveNet]))


def theirs(name, mode):
    """Prints the milliseconds of a step."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(1)
    model = networks()[name]()
    is_sound = name.startswith("wave_net")
    data = torch.randint(256 if is_sound else 2, MODELS[name]).float()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def loss_of(data):
        if is_sound:
            return F.cross_entropy(model(data), data.long(), reduction="sum") / len(data)
        return F.binary_cross_entropy_with_logits(model(data), data, reduction="sum") / len(data)

    loss_of = torch.compile(loss_of) if mode == "compiled" else loss_of

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(data).backward()
        optimizer.step()

    print(json.dumps(median(step)))


def main():
    times = {}
    for _ in range(ROUNDS):
        for (_, name), time in ours("autoregressive", "training_step").items():
            times.setdefault((name, "ours"), []).append(time)
        for name in MODELS:
            for mode in ("eager", "compiled"):
                command = [sys.executable, __file__, "--theirs", name, mode]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                times.setdefault((name, mode), []).append(json.loads(output.splitlines()[-1]))
    print("| training step | ours, ms | PyTorch eager, ms | compiled, ms | ours / the better |\n|---|---|---|---|---|")
    for name in MODELS:
        own, eager, compiled = (statistics.median(times[name, side]) for side in ("ours", "eager", "compiled"))
        print(f"| `{name}` | {own:.1f} | {eager:.1f} | {compiled:.1f} | **{own / min(eager, compiled):.2f}** |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        theirs(*sys.argv[2:4])
    else:
        main()
