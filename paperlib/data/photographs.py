"""Photographs: image files, decoded when asked for."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from paperlib.errors import PaperlibError

MAX_ASPECT = 16  # rescaled to Q, a photograph longer than that would be a strip of more than 16 Q^2 pixels
MAX_PIXELS = 89_000_000  # of a photograph: from about there PIL warns of a decompression bomb
# What a photograph may be, whatever its name (MPO is read as JPEG): among PIL's other readers one starts Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
Image.init()  # else PIL does not know all of these by name


def photograph(path: str | Path) -> Tensor:
    """The image file as uint8 RGB (3, H, W), turned upright, what is transparent laid on white.

    Greys of 16 bits run from 0 to 65535, of floating point from 0 to 1, and where a file leaves that range, from its
    least to its greatest value. Raises PaperlibError naming the file where it is unreadable or of no format of
    `FORMATS`, where it has more than `MAX_PIXELS`, or where one side is more than `MAX_ASPECT` times the other.
    """
    if not os.path.isfile(path):  # opening what is neither file nor folder may wait for ever
        raise PaperlibError(f"{path} is not a file that can be read; replace or remove it")
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                size = f"{image.width}x{image.height} px"
                raise PaperlibError(f"{path} is {size}, more than {MAX_PIXELS:,}; shrink or remove it")
            if max(image.size) > MAX_ASPECT * min(image.size):
                size = f"{image.width}x{image.height} px"
                raise PaperlibError(f"{path} is {size}, longer than {MAX_ASPECT}:1; crop or remove it")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):  # more than 8 bits a pixel, which PIL's own conversion clips
                upright = _eight_bits(upright)
            if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright.convert("RGBA"))
            return F.pil_to_tensor(upright.convert("RGB"))
    except PaperlibError:
        raise
    except Exception as error:  # a decoder may raise anything on a broken file
        raise PaperlibError(f"{path} is not a readable image ({error}); replace or remove it") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image).astype(np.float32), copy=False, posinf=0, neginf=0)
    low, high = 0.0, 1.0 if image.mode == "F" else 65535.0
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    values -= low
    values *= 255 / (high - low or 1)
    return Image.fromarray(values.round().astype(np.uint8))


class Photographs(Sequence[Tensor]):
    """Image files, decoded when asked for."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        # One block of memory: a million strings would be copied to every worker process as it counts references.
        self.paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        return photograph(os.fsdecode(self.paths[index]))
