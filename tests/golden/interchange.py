"""PyTorch state dicts and what their models compute, for tests/weights.rs.

`python tests/golden/interchange.py` (with torch and safetensors from PyPI) writes them beside itself. Every matrix of the
first model is square, so that one read the wrong way round fits, and is wrong.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent / "interchange"
SIZE = 8


class Vae(nn.Module):
    """The VAE of pytorch/examples, with its names, and a side of 8 for all of its layers."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(SIZE, SIZE)
        self.fc21 = nn.Linear(SIZE, SIZE)
        self.fc22 = nn.Linear(SIZE, SIZE)
        self.fc3 = nn.Linear(SIZE, SIZE)
        self.fc4 = nn.Linear(SIZE, SIZE)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z)))


class ConvVae(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 2, 3, 2, 1), nn.BatchNorm2d(2)
        self.conv2, self.bn2 = nn.Conv2d(2, 3, 3, 2, 1), nn.BatchNorm2d(3)
        self.fc1, self.fc21, self.fc22 = nn.Linear(12, 5), nn.Linear(5, 2), nn.Linear(5, 2)
        self.fc3, self.fc4 = nn.Linear(2, 5), nn.Linear(5, 12)
        self.up1, self.bn3 = nn.ConvTranspose2d(3, 2, 3, 2, 1, output_padding=1), nn.BatchNorm2d(2)
        self.up2 = nn.ConvTranspose2d(2, 1, 3, 2, 1, output_padding=1)

    def encode(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        h = F.relu(self.fc1(x.flatten(1)))
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        x = F.relu(self.fc4(F.relu(self.fc3(z)))).reshape(-1, 3, 2, 2)
        return self.up2(F.relu(self.bn3(self.up1(x))))


def write(name, model, x, z):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(20):  # also moves the running statistics
        mean, log_var = model.encode(x)
        loss = (model.decode(z) ** 2).mean() + (mean**2).mean() + (log_var**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        mean, log_var = model.encode(x)
        outputs = {"x": x, "z": z, "mean": mean, "log_var": log_var, "decoded": model.decode(z)}
    torch.save(model.state_dict(), HERE / f"{name}.pt")
    save_file(model.state_dict(), HERE / f"{name}.safetensors")
    if name == "vae":
        # As a training saves it, to be gone on with.
        checkpoint = {
            "epoch": 20,
            "model_state_dict": model.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "loss": loss,
        }
        torch.save(checkpoint, HERE / f"{name}-checkpoint.pt")
    numbers = {key: value.flatten().tolist() for key, value in outputs.items()}
    (HERE / f"{name}.json").write_text(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    torch.manual_seed(1)
    HERE.mkdir(exist_ok=True)
    write("vae", Vae(), torch.rand(3, SIZE), torch.randn(3, SIZE))
    write("conv", ConvVae(), torch.rand(4, 1, 8, 8), torch.randn(4, 2))
