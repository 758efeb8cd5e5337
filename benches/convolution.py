"""Convolutions beside PyTorch's, forward and backward: `python benches/convolution.py` (with torch from PyPI).

Takes turns: the benches of ours and of burn's own (`cargo bench --profile dev --bench convolution`), and the same layers
in PyTorch eager, each in a process of its own, ROUNDS times over. Prints a Markdown table of medians and ratios.
"""

import json
import statistics
import subprocess
import sys

from turns import ROUNDS, median, ours


def theirs():
    import torch
    from torch import nn

    images, series = (32, 64, 28, 28), (16, 64, 8000)
    layers = {
        "conv_3x3": (images, nn.Conv2d(64, 64, 3, padding=1)),
        "conv_5x5": (images, nn.Conv2d(64, 64, 5, padding=2)),
        "conv_1x1": (images, nn.Conv2d(64, 64, 1)),
        "depthwise_3x3": (images, nn.Conv2d(64, 64, 3, padding=1, groups=64)),
        "transposed_4x4": (images, nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1)),
        "dilated_1d": (series, nn.Sequential(nn.ConstantPad1d((64, 0), 0.0), nn.Conv1d(64, 64, 2, dilation=64))),
    }
    times = {}
    for name, (shape, layer) in layers.items():
        torch.manual_seed(1)
        x = torch.rand(shape, requires_grad=True)
        one = torch.ones_like(layer(x))

        def step():
            x.grad = None
            layer.zero_grad(set_to_none=True)
            layer(x).backward(one)

        times[name] = median(step)
    print(json.dumps(times))


def main():
    rounds = []
    for _ in range(ROUNDS):
        times = {"ours": {}, "burns": {}}
        for (layer, side), time in ours("convolution").items():
            times[side][layer] = time
        command = [sys.executable, __file__, "--theirs"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        rounds.append(times | {"theirs": json.loads(output.splitlines()[-1])})
    print("| layer | ours, ms | burn's, ms | PyTorch eager, ms | ours / burn's | ours / PyTorch's |\n|---|---|---|---|---|---|")
    for layer in rounds[0]["ours"]:
        own, burns, other = (
            statistics.median(times[side][layer] for times in rounds) for side in ("ours", "burns", "theirs")
        )
        print(f"| `{layer}` | {own:.2f} | {burns:.1f} | {other:.2f} | {own / burns:.2f} | **{own / other:.2f}** |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        theirs()
    else:
        main()
