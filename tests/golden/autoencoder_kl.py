"""Weights of small AutoencoderKLs of diffusers, in every dialect of names, and what they compute, for tests/autoencoder_kl.rs.

`python tests/golden/autoencoder_kl.py` (with torch, diffusers and safetensors from PyPI) writes them beside itself. Every number
of the weights is one of 16 bits, so that a file of half precision holds the same model.

`python tests/golden/autoencoder_kl.py FOLDER` writes larger ones there, of the sizes that are published: what the test reads
where AUTOENCODER_KL_DIR names the folder.
"""

import json
import pathlib
import re
import sys

import numpy
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent / "autoencoder_kl"

# Stable Diffusion's architecture: convolutions on both sides of the latent, one scale.
PLAIN = dict(block_out_channels=[4, 4, 8], layers_per_block=1, latent_channels=2, norm_num_groups=2, sample_size=16)
# Flux's: no such convolutions, a shift; here without attention too.
SHIFTED = dict(
    PLAIN,
    use_quant_conv=False,
    use_post_quant_conv=False,
    mid_block_add_attention=False,
    shift_factor=0.1159,
    scaling_factor=0.3611,
)
# Two sizes of those that are published.
SMALL = dict(block_out_channels=[32, 64, 128], layers_per_block=1, latent_channels=4, sample_size=64)
FULL = dict(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4, sample_size=128)
FLUX = dict(FULL, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1159)


def wave(shape, seed):
    """Fixed numbers that look random; tests/common/mod.rs has the same."""
    index = numpy.arange(1, numpy.prod(shape) + 1, dtype=numpy.float64)
    numbers = numpy.sin(index * (seed * 31 + 17) * 0.754877666)
    return torch.tensor(numbers.reshape(shape), dtype=torch.float32)


def draw(model):
    """Random weights under which the size of the maps stays about what it is, and no scale is 1, and no shift 0."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            numbers = torch.randn_like(weights)
            if weights.dim() == 1:
                numbers = 0.2 * numbers + float(name.endswith("weight"))
            else:
                numbers *= weights[0].numel() ** -0.5
            weights.copy_(numbers.half().float())


def older(state):
    """The names of diffusers before 0.12."""
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def name(key):
        for new, old in names.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        return key

    return {name(key): weights for key, weights in state.items()}


def original(state, config):
    """The names and shapes of latent diffusion."""
    levels = len(config["block_out_channels"])
    rules = [
        (r"attentions\.0\.group_norm", "attn_1.norm"),
        (r"attentions\.0\.to_out\.0", "attn_1.proj_out"),
        (r"attentions\.0\.to_(.)", r"attn_1.\1"),
        (r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}"),
        (r"mid_block", "mid"),
        (r"conv_norm_out", "norm_out"),
        (r"conv_shortcut", "nin_shortcut"),
        (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
        (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d)\.resnets", lambda match: f"up.{levels - 1 - int(match[1])}.block"),
        (r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{levels - 1 - int(match[1])}.upsample"),
    ]
    renamed = {}
    for key, weights in state.items():
        for pattern, name in rules:
            key = re.sub(pattern, name, key)
        if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", key):
            weights = weights[:, :, None, None]
        renamed[key] = weights
    # As diffusers reads them back.
    blocks = {"down_block_types": [None] * levels, "up_block_types": [None] * levels}
    again = convert_ldm_vae_checkpoint(dict(renamed), {**config, **blocks})
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], state[key]) for key in state)
    return renamed


def write(folder, config, sides, tiled_sides):
    levels = len(config["block_out_channels"])
    model = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels, **config
    ).eval()
    draw(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_config(folder)
    state = {key: weights.contiguous() for key, weights in model.state_dict().items()}
    half = lambda state: {key: weights.half().contiguous() for key, weights in state.items()}
    if model.config.mid_block_add_attention:
        save_file(state, folder / "diffusion_pytorch_model.safetensors")
        save_file(half(older(state)), folder / "older.safetensors")
    else:
        save_file(half(state), folder / "diffusion_pytorch_model.safetensors")
    prefixed = {f"first_stage_model.{key}": weights for key, weights in original(state, config).items()}
    save_file(half(prefixed), folder / "original.safetensors")

    golden = {}
    for name, sides, tiling in [("whole", sides, False), ("tiled", tiled_sides, True)]:
        if sides is None:
            continue
        if tiling:
            model.enable_tiling()
        with torch.no_grad():
            posterior = model.encode(wave([1, 3, *sides], 1)).latent_dist
            decoded = model.decode(posterior.mean).sample
        outputs = {"mean": posterior.mean, "log_var": posterior.logvar, "decoded": decoded}
        golden[name] = {key: [round(x, 5) for x in value.flatten().tolist()] for key, value in outputs.items()}
        golden[name]["sides"] = sides
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    torch.manual_seed(1)
    if len(sys.argv) > 1:
        there = pathlib.Path(sys.argv[1])
        write(there / "small", SMALL, [64, 96], [112, 160])
        write(there / "full", FULL, [128, 192], [256, 192])
        write(there / "flux", FLUX, [128, 128], None)
    else:
        write(HERE / "plain", PLAIN, [16, 24], [24, 40])
        write(HERE / "shifted", SHIFTED, [8, 16], None)
