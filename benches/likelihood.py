"""VAE, IWAE and VampPrior beside pythae: `python benches/likelihood.py FOLDER` (pythae 0.1.2 of PyPI).

FOLDER has MNIST as IDX files, and BINARY (target/release/examples/likelihood_mnist, unless the environment names another) is
the example. Networks of Burda et al. 2016, images that are binarised at random whenever they are seen, batches of 128, Adam
along half a cosine, the same images and epochs, one process after the other. Prints the seconds of training, a test
after each epoch among them, and the importance-weighted bound of the test images, by one formula for both.
"""

import argparse
import gzip
import math
import os
import pathlib
import re
import tempfile
import time

import numpy as np
import torch
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import IWAE, VAE, VAMP, IWAEConfig, VAEConfig, VAMPConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

from turns import ENVIRONMENT, ROOT, printed

BINARY = os.environ.get("BINARY", ROOT / "target/release/examples/likelihood_mnist")
LATENT = 50
FLAGS = {
    "vae": [],
    "iwae": ["--objective", "iwae", "--draws", "50"],
    "vamp": ["--prior", "vamp"],
}


def images(folder, part, limit):
    for path in (folder / f"{part}-images-idx3-ubyte", folder / f"{part}-images-idx3-ubyte.gz"):
        if path.exists():
            raw = gzip.open(path).read() if path.suffix else path.read_bytes()
            return torch.tensor(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)[:limit] / 255.0).float()
    raise SystemExit(f"{folder} has no {part}-images-idx3-ubyte")


class Binarised(BaseDataset):
    """Images that are binarised at random whenever they are seen."""

    def __getitem__(self, index):
        return DatasetOutput(data=torch.bernoulli(self.data[index]), labels=self.labels[index])


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh())
        self.mean, self.log_var = nn.Linear(200, LATENT), nn.Linear(200, LATENT)

    def forward(self, x):
        features = self.body(x)
        return ModelOutput(embedding=self.mean(features), log_covariance=self.log_var(features))


class Decoder(BaseDecoder):
    def __init__(self, mean):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(LATENT, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh())
        self.last = nn.Linear(200, 784)
        mean = mean.clamp(1e-3, 1 - 1e-3)
        self.last.bias.data = (mean / (1 - mean)).log()

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.last(self.body(z))))


class Trainer(BaseTrainer):
    """With a rate that falls along half a cosine, step by step, as ours does (pythae's schedulers move once an epoch)."""

    steps = 0

    def _optimizers_step(self, model_output=None):
        done = self.steps / (self.training_config.num_epochs * len(self.train_loader))
        for group in self.optimizer.param_groups:
            group["lr"] = self.training_config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        self.steps += 1
        super()._optimizers_step(model_output)


@torch.no_grad()
def bound(model, data, draws):
    """The importance-weighted bound of each image, in nats."""
    costs = []
    for x in data.split(50):
        code = model.encoder(x)
        mean, log_var = code.embedding, code.log_covariance
        noise = torch.randn(draws, *mean.shape)
        z = mean + (log_var / 2).exp() * noise
        flat = z.reshape(-1, LATENT)
        logits = model.decoder.last(model.decoder.body(flat)).reshape(draws, len(x), -1)
        target = x.expand_as(logits)
        log_x = -nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        if isinstance(model, VAMP):
            log_z = torch.cat([model._log_p_z(part) for part in flat.split(500)]).reshape(draws, -1)
        else:
            log_z = -0.5 * z.square().sum(-1)
        log_q = -0.5 * (log_var + noise.square()).sum(-1)
        costs.append(math.log(draws) - torch.logsumexp(log_x + log_z - log_q, 0))
    costs = torch.cat(costs)
    return costs.mean().item(), (costs.std() / len(costs) ** 0.5).item()


def pythae(name, train, test, args):
    torch.manual_seed(args.seed)
    common = {"input_dim": (784,), "latent_dim": LATENT, "reconstruction_loss": "bce"}
    parts = {"encoder": Encoder(), "decoder": Decoder(train.mean(0))}
    if name == "vae":
        model = VAE(VAEConfig(**common), **parts)
    elif name == "iwae":
        model = IWAE(IWAEConfig(**common, number_samples=50), **parts)
    else:
        config = VAMPConfig(**common, number_components=500, linear_scheduling_steps=args.warmup)
        model = VAMP(config, **parts)
    config = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        num_epochs=args.epochs,
        learning_rate=1e-3,
        per_device_train_batch_size=128,
        per_device_eval_batch_size=128,
        seed=args.seed,
        no_cuda=True,
    )
    data = Binarised(train, torch.zeros(len(train)))
    torch.manual_seed(0)
    test = torch.bernoulli(test)
    tested = BaseDataset(test, torch.zeros(len(test)))
    trainer = Trainer(model, data, tested, training_config=config)
    begin = time.time()
    trainer.train()
    seconds = time.time() - begin
    # (As it is after the last epoch: what pythae keeps is the best by its own loss.)
    return seconds, *bound(trainer.model.eval(), test, args.draws)


def ours(name, args):
    flags = FLAGS[name] + (["--warmup", str(args.warmup)] if name == "vamp" else [])
    command = [BINARY, *flags, "--data-dir", args.folder, "--limit", str(args.limit), "--epochs", str(args.epochs)]
    command += ["--seed", str(args.seed), "--nll", str(args.draws), "--out", pathlib.Path(tempfile.mkdtemp()) / "run"]
    output = printed(command, ENVIRONMENT)
    seconds = sum(float(s) for s in re.findall(r"^epoch .*; ([0-9.]+) s\b", output, re.M))
    nats, error = re.search(r"test NLL.*?: ([0-9.]+) \u00b1 ([0-9.]+)", output).groups()
    return seconds, float(nats), float(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--models", nargs="+", default=list(FLAGS), choices=FLAGS)
    parser.add_argument("--limit", type=int, default=10_000, help="training images, and test images")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=3, help="epochs in which a VampPrior's KL rises")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    train, test = (images(args.folder, part, args.limit) for part in ("train", "t10k"))
    for name in args.models:
        mine, theirs = ours(name, args), pythae(name, train, test, args)
        for who, (seconds, nats, error) in [("ours", mine), ("pythae", theirs)]:
            print(f"{name} {who}: {seconds:.1f} s, {nats:.2f} \u00b1 {error:.2f} nats by {args.draws} draws", flush=True)
        print(f"{name}: {mine[0] / theirs[0]:.2f} of the time", flush=True)


if __name__ == "__main__":
    main()
