"""Flows beside those of zuko, nflows and normflows: `python benches/flow.py [maf | real_nvp | spline] ...`.

(With torch, zuko, nflows, normflows from PyPI.) Takes turns: the benches of ours (`cargo bench --profile dev --bench flow`),
and the same flows of each library, eager and by torch.compile, each in a process of its own, ROUNDS times over. Prints a
Markdown table of medians and ratios. What a library does not compile, or not within PATIENCE seconds, has no number.
"""

import json
import os
import statistics
import subprocess
import sys

from turns import ROUNDS, median, ours

PATIENCE = int(os.environ.get("PATIENCE", 250))
FEATURES, BATCH, SAMPLES, BINS, BOUND = 43, 512, 10_000, 8, 4.0
FLOWS = ["maf", "real_nvp", "spline"]
LIBRARIES = ["zuko", "nflows", "normflows"]
# The inverse of a MAF is a loop of 43 passes, which torch.compile would unroll five times over.
COMPILED = ["step of maf", "step of real_nvp", "step of spline", "samples of real_nvp", "samples of spline"]


def theirs(library, flow):
    """Functions of a flow: the log-density of rows, and samples."""
    import torch
    from torch import nn

    def network(inputs, outputs):
        class Network(nn.Sequential):
            def forward(self, x, context=None):
                return super().forward(x)

        hidden = [nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
        return Network(*hidden, nn.Linear(256, outputs))

    masks = [(torch.arange(FEATURES) >= FEATURES // 2) == (index % 2 == 0) for index in range(10)]
    spline = {"num_bins": BINS, "tails": "linear", "tail_bound": BOUND}

    def zuko():
        from functools import partial

        from zuko.distributions import DiagNormal
        from zuko.flows import MAF, NICE
        from zuko.flows.coupling import GeneralCouplingTransform
        from zuko.lazy import Flow, UnconditionalDistribution
        from zuko.transforms import MonotonicRQSTransform

        def splines():
            rqs = partial(MonotonicRQSTransform, bound=BOUND)
            shapes, hidden = [(BINS,), (BINS,), (BINS - 1,)], (256, 256)
            transforms = [
                GeneralCouplingTransform(FEATURES, mask=mask, univariate=rqs, shapes=shapes, hidden_features=hidden)
                for mask in masks
            ]
            zeros, ones = torch.zeros(FEATURES), torch.ones(FEATURES)
            return Flow(transforms, UnconditionalDistribution(DiagNormal, zeros, ones, buffer=True))

        makes = {
            "maf": lambda: MAF(FEATURES, transforms=5, hidden_features=(512, 512)),
            "real_nvp": lambda: NICE(FEATURES, transforms=10, hidden_features=(256, 256)),
            "spline": splines,
        }
        model = makes[flow]()
        return model, lambda x: model().log_prob(x), lambda: model().sample((SAMPLES,))

    def nflows():
        from nflows import transforms
        from nflows.distributions.normal import StandardNormal
        from nflows.flows import Flow, MaskedAutoregressiveFlow

        def couplings(make):
            return Flow(transforms.CompositeTransform([make(mask) for mask in masks]), StandardNormal([FEATURES]))

        makes = {
            # A block without a residual is one layer behind the first.
            "maf": lambda: MaskedAutoregressiveFlow(FEATURES, 512, 5, 1, use_residual_blocks=False),
            "real_nvp": lambda: couplings(lambda mask: transforms.AffineCouplingTransform(mask.float(), network)),
            "spline": lambda: couplings(
                lambda mask: transforms.PiecewiseRationalQuadraticCouplingTransform(mask.float(), network, **spline)
            ),
        }
        model = makes[flow]()
        return model, model.log_prob, lambda: model.sample(SAMPLES)

    def normflows():
        import normflows as nf

        class Quadratic(nf.flows.Flow):
            """A coupling by splines, whose density takes the direction that the library calls inverse."""

            def __init__(self, mask):
                super().__init__()
                from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling

                self.coupling = PiecewiseRationalQuadraticCoupling(mask.float(), network, **spline)

            def forward(self, z):
                return self.coupling.inverse(z)

            def inverse(self, x):
                return self.coupling(x)

        def maf():
            # Reversed, as the density is the fast direction of a MAF.
            layer = nf.flows.MaskedAffineAutoregressive
            layers = [layer(FEATURES, 512, num_blocks=1, use_residual_blocks=False) for _ in range(5)]
            return [step for layer in layers for step in (nf.flows.Reverse(layer), nf.flows.Permute(FEATURES, mode="swap"))]

        def real_nvp():
            half = FEATURES - FEATURES // 2
            other = FEATURES - half
            return [
                step
                for _ in range(10)
                for step in (
                    nf.flows.AffineCouplingBlock(nf.nets.MLP([half, 256, 256, 2 * other])),
                    nf.flows.Permute(FEATURES, mode="swap"),
                )
            ]

        makes = {"maf": maf, "real_nvp": real_nvp, "spline": lambda: [Quadratic(mask) for mask in masks]}
        model = nf.NormalizingFlow(nf.distributions.DiagGaussian(FEATURES, trainable=False), makes[flow]())
        return model, model.log_prob, lambda: model.sample(SAMPLES)[0]

    return {"zuko": zuko, "nflows": nflows, "normflows": normflows}[library]()


def time_theirs(library, flow, compiled):
    """Prints the milliseconds of a training step and of samples, each as soon as it is known."""
    import torch

    torch.manual_seed(1)
    model, log_prob, sample = theirs(library, flow)
    rows = torch.randn(BATCH, FEATURES)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def loss_of(rows):
        return -log_prob(rows).mean()

    names = {"step": f"step of {flow}", "samples": f"samples of {flow}"}
    if compiled:
        loss_of = torch.compile(loss_of)
        sample = torch.compile(sample) if names["samples"] in COMPILED else None

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(rows).backward()
        optimizer.step()

    def draw():
        with torch.no_grad():
            sample()

    for name, task in [("step", step), ("samples", draw if sample else None)]:
        if task is None:
            continue
        print(json.dumps({names[name]: median(task)}), flush=True)


def main():
    flows = sys.argv[1:] or FLOWS
    sides = [(library, mode) for library in LIBRARIES for mode in ("eager", "compiled")]
    times = {}
    for _ in range(ROUNDS):
        filters = [f"{group}::{flow}" for group in ("training_step", "samples") for flow in flows]
        for (group, flow), time_of in ours("flow", *filters).items():
            task = f"{'step' if group == 'training_step' else group} of {flow}"
            times.setdefault((task, "ours"), []).append(time_of)
        for library, mode in sides:
            for flow in flows:
                command = [sys.executable, __file__, "--theirs", library, flow, mode]
                try:
                    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
                    output = run.stdout
                    if run.returncode:
                        print(library, flow, mode, (run.stderr.strip().splitlines() or ["?"])[-1], file=sys.stderr)
                except subprocess.TimeoutExpired as expired:
                    output = (expired.stdout or b"").decode()
                    print(library, flow, mode, "took too long", file=sys.stderr)
                for line in output.splitlines():
                    if line.startswith("{"):
                        for task, time_of in json.loads(line).items():
                            times.setdefault((task, (library, mode)), []).append(time_of)
    heads = [f"{library}{', compiled' if mode == 'compiled' else ''}" for library, mode in sides]
    print("| | ours, ms | " + " | ".join(heads) + " | ours / best |\n|" + "---|" * (len(heads) + 3))
    for task in dict.fromkeys(task for task, side in times if side == "ours"):
        own = statistics.median(times[task, "ours"])
        others = [statistics.median(times[task, side]) if (task, side) in times else None for side in sides]
        cells = " | ".join(f"{other:.1f}" if other else "-" for other in others)
        best = own / min(other for other in others if other)
        print(f"| {task} | {own:.1f} | {cells} | **{best:.2f}** |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        time_theirs(sys.argv[2], sys.argv[3], sys.argv[4] == "compiled")
    else:
        main()
