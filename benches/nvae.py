"""A training step of a small NVAE beside the same network on PyTorch: `python benches/nvae.py [ours] [eager] [compiled]`.

(With torch from PyPI.) Takes turns: the bench of ours (`cargo bench --profile dev --bench nvae`, or the program in BENCH_BINARY), and
the network of PyTorch, eager and by torch.compile, each in a process of its own, ROUNDS times over. Prints a Markdown table of
medians in milliseconds, and ratios.
"""

import statistics
import subprocess
import sys

from turns import ROUNDS, median, ours

BATCH, SIDE, GROUPS, CHANNELS, LATENTS, EXPANSION = 64, 28, [2, 3], 12, 8, 3


def network():
    import torch
    from torch import nn
    from torch.nn import functional as F

    def conv(inputs, outputs, kernel, groups=1, stride=1):
        return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)

    class Excite(nn.Module):
        def __init__(self, width):
            super().__init__()
            narrow = max(width // 16, 4)
            self.layers = nn.Sequential(nn.Linear(width, narrow), nn.ReLU(), nn.Linear(narrow, width), nn.Sigmoid())

        def forward(self, x):
            return x * self.layers(x.mean((2, 3)))[:, :, None, None]

    class Cell(nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.body = nn.Sequential(*layers)

        def forward(self, x):
            return x + 0.1 * self.body(x)

    def norm(width):
        return nn.BatchNorm2d(width, momentum=0.05)

    def up(width):
        step = lambda: [norm(width), nn.SiLU(), conv(width, width, 3)]
        return Cell(*step(), *step(), Excite(width))

    def down(width):
        wide = EXPANSION * width
        layers = [norm(width), conv(width, wide, 1), norm(wide), nn.SiLU(), conv(wide, wide, 5, wide)]
        return Cell(*layers, norm(wide), nn.SiLU(), conv(wide, width, 1), norm(width), Excite(width))

    def bounded(x):
        return 5 * torch.tanh(x / 5)

    class Nvae(nn.Module):
        def __init__(self):
            super().__init__()
            plan = [len(GROUPS) - scale for scale, count in enumerate(GROUPS) for _ in range(count)]
            width = lambda halvings: CHANNELS << halvings
            self.plan = plan
            self.stem = conv(1, CHANNELS, 3)
            self.entry = nn.Sequential(up(CHANNELS), conv(CHANNELS, width(1), 3, stride=2))
            self.ups = nn.ModuleList(up(width(h)) for h in reversed(plan))
            ends = [level > 0 and plan[level - 1] != plan[level] for level in range(len(plan))]
            self.halve = nn.ModuleDict(
                {str(level): conv(width(plan[level]), width(plan[level] + 1), 3, stride=2) for level in range(len(plan)) if ends[level]}
            )
            self.start = nn.Parameter(torch.randn(width(plan[0]), SIDE >> plan[0], SIDE >> plan[0]))
            self.prior = nn.ModuleList(conv(width(h), 2 * LATENTS, 1) for h in plan[1:])
            self.above = nn.ModuleList(conv(width(h), width(h), 1) for h in plan[1:])
            self.posterior = nn.ModuleList(conv(width(h), 2 * LATENTS, 3) for h in plan)
            self.absorb = nn.ModuleList(conv(width(h) + LATENTS, width(h), 1) for h in plan)
            pairs = list(zip(plan, plan[1:]))
            self.grow = nn.ModuleDict({str(level): conv(width(a), width(b), 1) for level, (a, b) in enumerate(pairs) if a != b})
            self.downs = nn.ModuleList(down(width(b)) for _, b in pairs)
            self.exit = nn.ModuleList([conv(width(1), CHANNELS, 1), down(CHANNELS)])
            self.output = conv(CHANNELS, 1, 3)

        def forward(self, x):
            maps, features = self.entry(self.stem(2 * x - 1)), []
            for index, cell in enumerate(self.ups):
                maps = cell(maps)
                features.append(maps)
                level = str(len(self.plan) - 1 - index)
                if level in self.halve:
                    maps = self.halve[level](maps)
            state, kl = self.start.expand(len(x), -1, -1, -1), 0
            for level in range(len(self.plan)):
                news = features[-1 - level]
                if level == 0:
                    mean = log_var = torch.zeros(len(x), LATENTS, *state.shape[2:])
                else:
                    mean, log_scale = bounded(self.prior[level - 1](F.elu(state))).chunk(2, 1)
                    log_var = 2 * torch.log(torch.exp(log_scale) + 0.01)
                    news = news + self.above[level - 1](state)
                move, widen = bounded(self.posterior[level](F.elu(news))).chunk(2, 1)
                widen = 2 * widen
                kl = kl + 0.5 * (move**2 * torch.exp(-log_var) + widen.exp() - widen - 1).sum((1, 2, 3))
                z = mean + move + torch.exp(0.5 * (log_var + widen)) * torch.randn_like(move)
                state = self.absorb[level](torch.cat([state, z], 1))
                if str(level) in self.grow:
                    state = F.interpolate(self.grow[str(level)](state), scale_factor=2)
                if level < len(self.downs):
                    state = self.downs[level](state)
            state = self.exit[1](F.interpolate(self.exit[0](state), scale_factor=2))
            logits = self.output(F.elu(state))
            return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3)) + kl

    return Nvae()


def theirs(compiled):
    import torch

    torch.manual_seed(1)
    model = network()
    loss = torch.compile(model) if compiled else model
    images = torch.bernoulli(torch.full((BATCH, 1, SIDE, SIDE), 0.3))
    adam = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step():
        adam.zero_grad()
        loss(images).mean().backward()
        adam.step()

    print(median(step, seconds=6.0))


def main():
    wanted = sys.argv[1:] or ["ours", "eager", "compiled"]
    times = {name: [] for name in wanted}
    for _ in range(ROUNDS):
        for name in wanted:
            if name == "ours":
                times[name] += ours("nvae").values()
                continue
            command = [sys.executable, __file__, "--child", name]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            times[name].append(float(output.split()[-1]))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print("| | ms a step | ours / it |\n|---|---|---|")
    for name, middle in medians.items():
        ratio = f"{medians['ours'] / middle:.2f}" if "ours" in medians else ""
        print(f"| {name} | {middle:.0f} | {ratio} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        theirs(sys.argv[2] == "compiled")
    else:
        main()
