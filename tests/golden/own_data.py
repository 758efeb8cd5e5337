"""Files as other programs write them, and what those make of them, for tests/own_data.rs.

`python tests/golden/own_data.py` (with numpy and pillow from PyPI) writes them beside itself.
"""

import json
import pathlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent / "own_data"
HERE.mkdir(exist_ok=True)

# Arrays: the values of each follow from their places, so that none need be written down.
ramp = np.arange(24)
np.savez_compressed(
    HERE / "arrays.npz",
    bytes=ramp.astype("uint8").reshape(2, 3, 4),
    big=ramp.astype(">f8").reshape(4, 6) / 8,
    fortran=np.asfortranarray(ramp.astype("int64").reshape(2, 3, 4)),
    truth=ramp % 2 == 0,
    objects=np.array([{"a": 1}, None], dtype=object),
    records=np.zeros(2, dtype=[("x", "f4"), ("y", "i4")]),
)
np.save(HERE / "fortran.npy", np.asfortranarray(ramp.astype("float32").reshape(2, 12)))

# Pictures: smooth, but no two parts alike.
y, x = np.mgrid[0:31, 0:53]
waves = [127 + 100 * np.sin(x / 5 + y / (7 + c) + c) for c in range(3)]
picture = Image.fromarray(np.stack(waves, -1).astype("uint8"))
picture.save(HERE / "picture.png")
picture.save(HERE / "progressive.jpg", progressive=True, quality=95, subsampling=0)
picture.quantize(16).save(HERE / "palette.png", transparency=3)


def planes(image):
    return np.asarray(image).transpose(2, 0, 1).ravel().tolist()


def on_white(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


decoded = {name: on_white(Image.open(HERE / name)) for name in ["progressive.jpg", "palette.png"]}
expected = {
    # Cut to the aspect of 12 to 10, and 37 to 41, from the middle.
    "smaller": planes(picture.crop((8, 0, 45, 31)).resize((12, 10), Image.Resampling.BICUBIC)),
    "larger": planes(picture.crop((12, 0, 40, 31)).resize((37, 41), Image.Resampling.BICUBIC)),
    **{name: planes(image) for name, image in decoded.items()},
}
(HERE / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))
