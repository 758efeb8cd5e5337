"""What evaluating a model costs, beside Python: `python benches/evaluation.py` (torch, scikit-learn and scipy of PyPI).

Ours (`cargo bench --profile dev --bench evaluation`) and theirs take turns, each in a process of its own, ROUNDS times
over. Prints a Markdown table of medians and ratios. The tasks are the same: the same sizes, and for the bound the same
network, draws and batches.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS = int(os.environ.get("ROUNDS", 3))


def theirs():
    import numpy as np
    import scipy.linalg
    import torch
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
    mean, log_var = nn.Linear(400, 20), nn.Linear(400, 20)
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
    images = torch.rand(10_000, 784) * (torch.rand(10_000, 784) < 0.2)

    def bound(x, k):
        h = encoder(x)
        m, lv = mean(h), log_var(h)
        weights = []
        for _ in range(k):
            noise = torch.randn_like(m)
            z = m + torch.exp(0.5 * lv) * noise
            nll = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(1)
            prior = -0.5 * z.square().sum(1)
            posterior = -0.5 * (noise.square() + lv).sum(1)
            weights.append(prior - nll - posterior)
        return torch.logsumexp(torch.stack(weights), 0)

    def frechet(a, b):
        means, covariances = [x.mean(0) for x in (a, b)], [np.cov(x, rowvar=False) for x in (a, b)]
        root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
        return sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root.real)

    def precision_recall(a, b, k):
        def radii(x):
            return torch.cat([torch.cdist(block, x).kthvalue(k + 1, 1).values for block in x.split(1000)])

        def within(x, y):
            r = radii(y)
            return torch.cat([(torch.cdist(block, y) <= r).any(1) for block in x.split(1000)]).float().mean().item()

        return within(b, a), within(a, b)

    def mmd_test(a, b, variance, permutations):
        x = torch.cat([a, b])
        kernel = torch.exp(-torch.cdist(x, x).square() / (2 * variance)).fill_diagonal_(0)
        n, members = len(a), torch.zeros(len(x), permutations)
        for column in range(permutations):
            members[torch.randperm(len(x))[:n], column] = 1
        similar = kernel @ members
        within, across = (members * similar).sum(0), ((1 - members) * similar).sum(0)
        rest = kernel.sum() - within - 2 * across
        return (within + rest) / (n * (n - 1)) - 2 * across / n**2

    seconds = {}

    def timed(name, task):
        start = time.perf_counter()
        task()
        seconds[name] = time.perf_counter() - start

    with torch.no_grad():
        bound(images[:500], 2)
        timed("bound 10000x200", lambda: [bound(x, 200).sum().item() for x in images.split(500)])
        real, fake = torch.randn(10_000, 64), torch.randn(10_000, 64)
        timed("frechet 10000x64", lambda: frechet(real.double().numpy(), fake.double().numpy()))
        timed("precision_recall 10000x64", lambda: precision_recall(real, fake, 3))
        timed("mmd_test 1000x64", lambda: mmd_test(real[:1000], fake[:1000], 64.0, 1000).sum().item())
        timed("pca 10000x784", lambda: PCA(svd_solver="covariance_eigh").fit(images.double().numpy()))
        codes = torch.randn(15_000, 20).numpy()
        fit = GaussianMixture(10, max_iter=20, tol=0.0, init_params="k-means++", random_state=1)
        timed("mixture 15000x20, 10 full, 20 steps", lambda: fit.fit(codes))

        def samples():
            for block in torch.from_numpy(fit.sample(100_000)[0]).float().split(1000):
                decoder(block).sum().item()

        timed("100000 samples, mixture", samples)
    print(json.dumps(seconds))


def run(command):
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main():
    sides = {
        "ours": ["cargo", "bench", "--quiet", "--profile", "dev", "--bench", "evaluation"],
        "theirs": [sys.executable, "-W", "ignore", __file__, "--theirs"],
    }
    times = {side: {} for side in sides}
    for _ in range(ROUNDS):
        for side, command in sides.items():
            for task, seconds in run(command).items():
                times[side].setdefault(task, []).append(seconds)
    print("| task | s | Python, s | ours / theirs |\n|---|---|---|---|")
    for task, seconds in times["ours"].items():
        own = statistics.median(seconds)
        other = times["theirs"].get(task)
        if other:
            other = statistics.median(other)
            print(f"| {task} | {own:.2f} | {other:.2f} | {own / other:.2f} |")
        else:
            print(f"| {task} | {own:.2f} | | |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        theirs()
    else:
        main()
