"""Golden numbers for tests/golden.rs: the adversarial models and the denoising autoencoder in PyTorch.

    pip install torch && python tests/golden/adversarial.py > tests/golden/adversarial.json

As vae.py: fixed weights, data and noise, in f64. The gradient penalty is PyTorch's own, by double backward.
"""

import json
import math

import torch
from torch.nn import functional as F

from vae import Parameters, summary, wave

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
    """What `summary` says of each parameter's gradient, where it has one."""
    total.mean().backward()
    return [summary(p.grad) for p in parameters.all if p.grad is not None]


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


def images_against_a_convolutional_critic(spectral):
    """WGAN-GP on images of 1x12x10, by double backward through the convolutions."""
    p = Parameters(0.3)
    generator = perceptron(p, LATENT, [120], F.relu)
    first = len(p.all)
    c1, b1, c2, b2 = [p(*shape) for shape in [(4, 1, 3, 3), (4,), (6, 4, 3, 3), (6,)]]
    if spectral:
        p(9), p(36)  # the state of the power iteration
    w, b = p(6 * 3 * 3, 1), p(1)
    normal = lambda w: w / torch.linalg.matrix_norm(w.flatten(1), 2) if spectral else w

    def score(x):
        x = leaky(F.conv2d(x, normal(c1), b1, stride=2, padding=1))
        x = leaky(F.conv2d(x, normal(c2), b2, stride=2, padding=1))
        return (x.flatten(1) @ normal(w) + b).squeeze(1)

    real = wave(2006, 1.0, BATCH, 1, 12, 10)
    fake = generator(wave(2002, 1.5, BATCH, LATENT))[0].reshape(BATCH, 1, 12, 10)
    mix = 0.5 + wave(2003, 0.5, BATCH, 1, 1, 1)
    terms = {"generator": -frozen(score, p, first)(fake)}
    fake = fake.detach()
    terms["critic"] = score(fake) - score(real)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    [slope] = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    norm = torch.sqrt((slope**2).sum((1, 2, 3)) + 1e-12)
    terms["penalty"] = 10.0 * (norm - 1) ** 2
    return numbers(terms, sum(terms.values()), p)


def semi_supervised_aae():
    p = Parameters(0.6)
    classes = 2
    encoder = perceptron(p, WIDTH, [LATENT], F.relu)
    decoder = perceptron(p, LATENT, [WIDTH], F.relu)
    first = len(p.all)
    critic = perceptron(p, LATENT + classes + 1, [1], leaky)
    data, prior = wave(2001, 1.0, BATCH, WIDTH), wave(2002, 1.5, BATCH, LATENT)
    labels = F.one_hot(torch.tensor([0, 1, 2, 2, 1, 0]), classes + 1).double()
    [code] = encoder(data)
    score = lambda net, z: net(torch.cat([z, labels], 1))[0].squeeze(1)
    terms = {
        "reconstruction": ((decoder(code)[0] - data) ** 2).sum(1),
        "critic": sp(-score(critic, prior)) + sp(score(critic, code.detach())),
        "encoder": sp(-score(frozen(critic, p, first), code)),
    }
    total = terms["reconstruction"] + 3.0 * terms["encoder"] + terms["critic"]
    return numbers(terms, total, p)


def vae_gan():
    """Algorithm 1 as it stands: three losses, and a backward pass for each player through everything."""
    gamma = 0.3
    p = Parameters(0.6)
    encoder = perceptron(p, WIDTH, [LATENT, LATENT], F.relu)
    of_encoder = len(p.all)
    decoder = perceptron(p, LATENT, [WIDTH], F.relu)
    of_decoder = len(p.all)
    hidden, last, head = p.linear(WIDTH, 7), p.linear(7, 5), p.linear(5, 1)
    features = lambda x: leaky(hidden(x))
    score = lambda x: head(leaky(last(features(x)))).squeeze(1)

    data, latent = wave(2001, 1.0, BATCH, WIDTH), wave(2002, 1.5, BATCH, LATENT)
    mean, log_var = encoder(data)
    code = mean + torch.exp(0.5 * log_var) * wave(2004, 1.5, BATCH, LATENT)
    made = [torch.sigmoid(decoder(z)[0]) for z in (code, latent)]
    distance = ((features(made[0]) - features(data)) ** 2).sum(1)
    terms = {
        "kl": -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1),
        "features": 0.5 * (distance + 7 * math.log(2 * math.pi)),
        "decoder": sum(sp(-score(fake)) for fake in made),
        "critic": sp(-score(data)) + sum(sp(score(fake)) for fake in made),
    }
    players = [
        (terms["kl"] + terms["features"], p.all[:of_encoder]),
        (gamma * terms["features"] + terms["decoder"], p.all[of_encoder:of_decoder]),
        (terms["critic"], p.all[of_decoder:]),
    ]
    slopes = [
        slope
        for loss, own in players
        for slope in torch.autograd.grad(loss.mean(), own, retain_graph=True)
    ]
    result = {name: term.tolist() for name, term in terms.items()}
    return {**result, "gradients": [summary(s) for s in slopes]}


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
    result["semi-supervised-aae"] = semi_supervised_aae()
    result["vae-gan"] = vae_gan()
    result["wgan-gp-conv"] = images_against_a_convolutional_critic(spectral=False)
    result["wgan-gp-conv-spectral"] = images_against_a_convolutional_critic(spectral=True)
    result["denoising"] = denoising()
    print(json.dumps({"torch": torch.__version__, **result}, indent=1))
