"""Golden numbers for tests/golden.rs: GAN, WGAN-GP, ALI and the denoising autoencoder in PyTorch.

    pip install torch && python tests/golden/adversarial.py > tests/golden/adversarial.json

As vae.py: fixed weights, data and noise, in f64. The gradient penalty is PyTorch's own, by double backward.
"""

import json

import torch
from torch.nn import functional as F

from vae import Parameters, wave

BATCH, WIDTH, LATENT, HIDDEN = 6, 8, 3, (7, 5)
sp = F.softplus
OBJECTIVES = {
    "non-saturating": (lambda d: sp(-d), sp, lambda d: sp(-d)),
    "minimax": (lambda d: sp(-d), sp, lambda d: -sp(d)),
    "least-squares": (
        lambda d: 0.5 * (d - 1) ** 2,
        lambda d: 0.5 * d**2,
        lambda d: 0.5 * (d - 1) ** 2,
    ),
    "hinge": (lambda d: F.relu(1 - d), lambda d: F.relu(1 + d), lambda d: -d),
    "wasserstein": (lambda d: -d, lambda d: d, lambda d: -d),
}


def perceptron(p, inputs, outputs, activation):
    widths = (inputs, *HIDDEN)
    layers = [p.linear(a, b) for a, b in zip(widths, widths[1:])]
    heads = [p.linear(HIDDEN[-1], n) for n in outputs]

    def forward(x):
        for layer in layers:
            x = activation(layer(x))
        return [head(x) for head in heads]

    return forward


def leaky(x):
    return F.leaky_relu(x, 0.2)


def gradients_of(total, parameters):
    """The sum and the norm of each parameter's gradient, where it has one."""
    total.mean().backward()
    return [[p.grad.sum().item(), p.grad.norm().item()] for p in parameters.all if p.grad is not None]


def numbers(terms, total, parameters):
    result = {name: term.tolist() for name, term in terms.items()}
    return {**result, "gradients": gradients_of(total, parameters)}


def frozen(network, parameters, first):
    """The network with its parameters (all from `first` on) out of the graph of what it is applied to."""

    def forward(x):
        for p in parameters.all[first:]:
            p.requires_grad_(False)
        y = network(x)
        for p in parameters.all[first:]:
            p.requires_grad_(True)
        return y

    return forward


def gan(objective, penalty_weight):
    real_loss, fake_loss, generator_loss = OBJECTIVES[objective]
    p = Parameters(0.9)
    generator = perceptron(p, LATENT, [WIDTH], F.relu)
    first = len(p.all)
    critic = perceptron(p, WIDTH, [1], leaky)
    real = wave(2001, 1.0, BATCH, WIDTH)
    [fake] = generator(wave(2002, 1.5, BATCH, LATENT))
    mix = 0.5 + wave(2003, 0.5, BATCH, 1)

    score = lambda x: critic(x)[0].squeeze(1)
    judged = frozen(critic, p, first)(fake)[0].squeeze(1)
    terms = {"generator": generator_loss(judged)}
    fake = fake.detach()
    terms["critic"] = real_loss(score(real)) + fake_loss(score(fake))
    total = terms["generator"] + terms["critic"]
    if penalty_weight:
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        [slope] = torch.autograd.grad(score(between).sum(), between, create_graph=True)
        norm = torch.sqrt((slope**2).sum(1) + 1e-12)
        terms["penalty"] = penalty_weight * (norm - 1) ** 2
        total = total + terms["penalty"]
    return numbers(terms, total, p)


def ali():
    p = Parameters(0.6)
    encoder = perceptron(p, WIDTH, [LATENT, LATENT], F.relu)
    decoder = perceptron(p, LATENT, [WIDTH], F.relu)
    first = len(p.all)
    critic = perceptron(p, WIDTH + LATENT, [1], leaky)
    score = lambda net, x, z: net(torch.cat([x, z], 1))[0].squeeze(1)
    data, latent = wave(2001, 1.0, BATCH, WIDTH), wave(2002, 1.5, BATCH, LATENT)
    mean, log_var = encoder(data)
    code = mean + torch.exp(0.5 * log_var) * wave(2004, 1.5, BATCH, LATENT)
    [made] = decoder(latent)
    judge = frozen(critic, p, first)
    terms = {
        "encoder": sp(score(judge, data, code)),
        "decoder": sp(-score(judge, made, latent)),
        "critic": sp(-score(critic, data, code.detach())) + sp(score(critic, made.detach(), latent)),
    }
    return numbers(terms, sum(terms.values()), p)


def aae():
    p = Parameters(0.6)
    encoder = perceptron(p, WIDTH, [LATENT, LATENT], F.relu)
    decoder = perceptron(p, LATENT, [WIDTH], F.relu)
    first = len(p.all)
    critic = perceptron(p, LATENT, [1], leaky)
    data, prior = wave(2001, 1.0, BATCH, WIDTH), wave(2002, 1.5, BATCH, LATENT)
    mean, log_var = encoder(data)
    code = mean + torch.exp(0.5 * log_var) * wave(2004, 1.5, BATCH, LATENT)
    score = lambda net, z: net(z)[0].squeeze(1)
    terms = {
        "reconstruction": ((decoder(code)[0] - data) ** 2).sum(1),
        "critic": sp(-score(critic, prior)) + sp(score(critic, code.detach())),
        "encoder": sp(-score(frozen(critic, p, first), code)),
    }
    total = terms["reconstruction"] + 3.0 * terms["encoder"] + terms["critic"]
    return numbers(terms, total, p)


def denoising():
    p = Parameters(0.9)
    encoder = perceptron(p, WIDTH, [LATENT], F.relu)
    decoder = perceptron(p, LATENT, [WIDTH], F.relu)
    data = wave(2001, 1.0, BATCH, WIDTH)
    [code] = encoder(data + 0.5 * wave(2005, 1.5, BATCH, WIDTH))
    [output] = decoder(code)
    terms = {"reconstruction": ((output - data) ** 2).sum(1)}
    return numbers(terms, terms["reconstruction"], p)


if __name__ == "__main__":
    result = {f"gan-{name}": gan(name, 0.0) for name in OBJECTIVES}
    result["wgan-gp"] = gan("wasserstein", 10.0)
    result["ali"] = ali()
    result["aae"] = aae()
    result["denoising"] = denoising()
    print(json.dumps({"torch": torch.__version__, **result}, indent=1))
