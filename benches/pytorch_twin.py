"""The same work in PyTorch, on the CPU: `pip install torch`, then
`python benches/pytorch_twin.py [a kernel's name] ...`.

Times are medians; compare them with the medians of `cargo bench --profile dev`, run on the same
machine at the same time of day.
"""

import math
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def median(work, repeats):
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def nll_with_variance(mean, log_var, target):
    return 0.5 * (math.log(2 * math.pi) + log_var + (target - mean) ** 2 * torch.exp(-log_var)).sum(1)


def kl_between(mq, lq, mp, lp):
    return 0.5 * (lp - lq + torch.exp(lq - lp) + (mq - mp) ** 2 * torch.exp(-lp) - 1).sum(1)


# The operation, how many matrices it takes, and how many of them have gradients.
KERNELS = {
    "reparameterize": (lambda m, l, n: m + torch.exp(0.5 * l) * n, 3, 2),
    # PyTorch draws the noise as a tensor.
    "reparameterize_seeded": (lambda m, l: m + torch.exp(0.5 * l) * torch.randn_like(l), 2, 2),
    "gaussian_kl": (lambda m, l: -0.5 * (1 + l - m.pow(2) - l.exp()).sum(1), 2, 2),
    "gaussian_kl_between": (kl_between, 4, 4),
    "bernoulli_nll": (
        lambda l, x: F.binary_cross_entropy_with_logits(l, x, reduction="none").sum(1),
        2,
        1,
    ),
    "gaussian_nll": (nll_with_variance, 3, 2),
    "gaussian_nll_fixed": (
        lambda m, x: 0.5 * ((x - m) ** 2 + math.log(2 * math.pi)).sum(1),
        2,
        1,
    ),
}
LATENTS = [(128, 20), (512, 128), (4096, 512), (65536, 256)]
PIXELS = [(128, 784), (4096, 784), (65536, 256)]


def kernel(name):
    """Medians in microseconds: forward, and forward + backward; eager, and compiled."""
    operation, count, tracked = KERNELS[name]
    print(f"{'kernel':24}{'shape':>14}{'eager':>11}{'+ backward':>12}{'compiled':>11}{'+ backward':>12}")
    for shape in PIXELS if name.endswith(("nll", "fixed")) else LATENTS:
        torch.manual_seed(1)
        plain = [torch.rand(shape) for _ in range(count)]
        leaves = [t.clone().requires_grad_(k < tracked) for k, t in enumerate(plain)]
        one = torch.ones_like(operation(*plain))
        repeats = 200 if shape[0] < 1000 else 30 if shape[0] < 60_000 else 8
        times = []
        torch._dynamo.reset()
        for work in (operation, torch.compile(operation, dynamic=False)):

            def forward():
                with torch.no_grad():
                    work(*plain)

            def backward():
                for leaf in leaves:
                    leaf.grad = None
                work(*leaves).backward(one)

            times += [median(step, repeats) * 1e6 for step in (forward, backward)]
        print(f"{name:24}{f'{shape[0]}x{shape[1]}':>14}{times[0]:11.1f}{times[1]:12.1f}{times[2]:11.1f}{times[3]:12.1f}", flush=True)


if __name__ == "__main__":
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in sys.argv[1:] or KERNELS:
        kernel(name)
