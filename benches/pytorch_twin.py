"""The same work in PyTorch, on the CPU: `pip install torch`, then
`python benches/pytorch_twin.py [losses|vae_epoch]`.

Times are medians; compare them with the medians of `cargo bench --profile dev`, run on the same
machine at the same time of day.
"""

import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def median(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


LOSSES = {
    "bernoulli_nll": lambda a, b: F.binary_cross_entropy_with_logits(
        a, b, reduction="none"
    ).sum(1),
    "gaussian_nll_fixed": lambda a, b: F.gaussian_nll_loss(
        a, b, torch.ones(a.shape[:-1] + (1,)), full=True, reduction="none"
    ).sum(1),
    "gaussian_kl": lambda a, b: -0.5 * (1 + b - a.pow(2) - b.exp()).sum(1),
    "reparameterize_with_noise": lambda a, b: (
        a + torch.exp(0.5 * b) * a.detach()
    ).sum(1),
}
PIXELS = [(128, 784), (4096, 784)]
LATENTS = [(128, 20), (4096, 512)]
SIZES = {
    "bernoulli_nll": PIXELS,
    "gaussian_nll_fixed": PIXELS,
    "gaussian_kl": LATENTS,
    "reparameterize_with_noise": LATENTS,
}


def losses():
    print(f"{'loss':28}{'shape':>14}{'forward us':>14}{'+ backward us':>16}")
    for name, loss in LOSSES.items():
        for shape in SIZES[name]:
            torch.manual_seed(1)
            a, b = torch.rand(shape), torch.rand(shape)
            ga, gb = (t.clone().requires_grad_() for t in (a, b))

            def forward():
                with torch.no_grad():
                    loss(a, b)

            def backward():
                ga.grad = gb.grad = None
                loss(ga, gb).sum().backward()

            repeats = 200 if shape[0] == 128 else 50
            times = [median(work, repeats) * 1e6 for work in (forward, backward)]
            print(f"{name:28}{str(shape):>14}{times[0]:14.1f}{times[1]:16.1f}")


class Vae(nn.Module):
    """The VAE of the PyTorch examples."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = (
            nn.Linear(784, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x):
        h = F.relu(self.fc1(x))
        mean, log_var = self.fc21(h), self.fc22(h)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(log_var)
        return self.fc4(F.relu(self.fc3(z))), mean, log_var


def vae_epoch():
    torch.manual_seed(1)
    # Pixels like those of digits: most are black. What they show does not change the time.
    images = torch.rand(60_000, 784) * (torch.rand(60_000, 784) < 0.2)
    model = Vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch():
        order = torch.randperm(60_000)
        total = torch.zeros(())
        for start in range(0, 60_000, 128):
            batch = images[order[start : start + 128]]
            optimizer.zero_grad()
            logits, mean, log_var = model(batch)
            bce = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
            loss = bce + kl
            (loss / len(batch)).backward()
            optimizer.step()
            total += loss.detach()
        return total.item()

    print(f"vae_epoch: {median(epoch, 5):.3f} s")


if __name__ == "__main__":
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    which = sys.argv[1:] or ["losses", "vae_epoch"]
    for name in which:
        {"losses": losses, "vae_epoch": vae_epoch}[name]()
