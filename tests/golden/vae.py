"""Golden numbers for tests/golden.rs: a VAE with fixed weights, images and noise, in PyTorch.

    pip install torch && python tests/golden/vae.py > tests/golden/vae.json

Every number is a sine of its index (`wave`), so that no weights need to be stored. Computed in f64.
"""

import json
import math

import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
BATCH, SHAPE, LATENT = 6, (1, 12, 10), 3


def wave(seed, scale, *shape):
    count = math.prod(shape)
    values = [scale * math.sin((i + 1) * (seed * 31 + 17) * 0.754877666) for i in range(count)]
    # Rounded as the test rounds them.
    return torch.tensor(values, dtype=torch.float32).double().reshape(shape)


def summary(gradient):
    """The sum and the norm of a gradient, and its product with a wave, which sees where its elements lie."""
    product = (gradient * wave(3000, 1.0, *gradient.shape)).sum()
    return [gradient.sum().item(), gradient.norm().item(), product.item()]


class Parameters:
    """Hands out parameters in the order in which the Rust module visits them."""

    def __init__(self, scale=0.3):
        self.all = []
        self.scale = scale

    def __call__(self, *shape):
        parameter = wave(len(self.all), self.scale, *shape).requires_grad_()
        self.all.append(parameter)
        return parameter

    def linear(self, inputs, outputs):
        weight, bias = self(inputs, outputs), self(outputs)
        return lambda x: x @ weight + bias

    def norm(self, channels):
        gamma, beta = self(channels), self(channels)
        self(channels), self(channels)  # running statistics, which training does not read
        return lambda x: F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)

    def conv(self, inputs, outputs):
        weight, bias = self(outputs, inputs, 3, 3), self(outputs)
        return lambda x: F.conv2d(x, weight, bias, stride=2, padding=1)

    def transposed(self, inputs, outputs, extra):
        weight, bias = self(inputs, outputs, 3, 3), self(outputs)
        return lambda x: F.conv_transpose2d(
            x, weight, bias, stride=2, padding=1, output_padding=extra
        )


def mlp(p):
    hidden = p.linear(120, 16)
    mean, log_var = p.linear(16, LATENT), p.linear(16, LATENT)
    back, out = p.linear(LATENT, 16), p.linear(16, 120)

    def encode(x):
        h = F.relu(hidden(x.flatten(1)))
        return mean(h), log_var(h)

    return encode, lambda z: out(F.relu(back(z))).reshape(-1, *SHAPE)


def conv(p):
    convs = [p.conv(1, 4), p.conv(4, 6)]
    norms = [p.norm(4), p.norm(6)]
    dense = p.linear(6 * 3 * 3, 20)
    mean, log_var = p.linear(20, LATENT), p.linear(20, LATENT)
    backs = [p.linear(LATENT, 20), p.linear(20, 6 * 3 * 3)]
    ups = [p.transposed(6, 4, (1, 0)), p.transposed(4, 1, (1, 1))]
    up_norm = p.norm(4)

    def encode(x):
        for layer, norm in zip(convs, norms):
            x = F.relu(norm(layer(x)))
        h = F.relu(dense(x.flatten(1)))
        return mean(h), log_var(h)

    def decode(z):
        for layer in backs:
            z = F.relu(layer(z))
        return ups[1](F.relu(up_norm(ups[0](z.reshape(-1, 6, 3, 3)))))

    return encode, decode


LOSSES = {
    "bernoulli": lambda out, x: F.binary_cross_entropy_with_logits(out, x, reduction="none"),
    "gaussian": lambda out, x: 0.5 * (math.log(2 * math.pi * 0.25) + (x - out) ** 2 / 0.25),
}


def golden(build, loss):
    parameters = Parameters()
    encode, decode = build(parameters)
    images = 0.5 + wave(1004, 0.5, BATCH, *SHAPE)
    noise = wave(1005, 1.5, BATCH, LATENT)
    mean, log_var = encode(images)
    z = mean + torch.exp(0.5 * log_var) * noise
    reconstruction = loss(decode(z), images).flatten(1).sum(1)
    kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)
    (reconstruction + 2.0 * kl).mean().backward()  # beta = 2
    with_gradient = [p.grad for p in parameters.all if p.grad is not None]
    return {
        "reconstruction": reconstruction.tolist(),
        "kl": kl.tolist(),
        "gradients": [summary(g) for g in with_gradient],
    }


if __name__ == "__main__":
    models = {"mlp": mlp, "conv": conv}
    numbers = {
        f"{model}-{name}": golden(build, loss)
        for model, build in models.items()
        for name, loss in LOSSES.items()
    }
    print(json.dumps({"torch": torch.__version__, **numbers}, indent=1))
