"""Photographs: image files, decoded when asked for."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from paperlib.errors import PaperlibError

MAX_ASPECT = 16  # rescaled to Q, a longer photograph would be a strip of more than 16 Q^2 pixels
MAX_PIXELS = 89_000_000  # from about there Pillow warns of a decompression bomb
# Only these, whatever the name of the file (MPO is read as JPEG): one of Pillow's other readers starts Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
Image.init()  # registers the formats, so that they are known by name


def read_photograph(path: str | Path) -> Tensor:
    """The image file as uint8 RGB (3, H, W), turned upright, transparent parts on white.

    Greys of 16 bits run from 0 to 65535, of floating point from 0 to 1; where a file exceeds that range, from its
    minimum to its maximum. Raises PaperlibError naming the file where it is unreadable, in a format other than
    `FORMATS`, of more than `MAX_PIXELS`, or longer than `MAX_ASPECT`:1.
    """
    if not os.path.isfile(path):  # opening a pipe or a device may wait for ever
        raise PaperlibError(f"{path} is not a file that can be read; replace or remove it")
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(path, image)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):  # more than 8 bits a pixel: Pillow's own conversion clips them
                upright = _to_8_bits(upright)
            if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright.convert("RGBA"))
            return F.pil_to_tensor(upright.convert("RGB"))
    except PaperlibError:
        raise
    except Exception as error:  # a decoder may raise anything on a broken file
        raise PaperlibError(f"{path} is not a readable image ({error}); replace or remove it") from error


def _check_size(path: str | Path, image: Image.Image) -> None:
    size = f"{image.width}x{image.height} px"
    if image.width * image.height > MAX_PIXELS:
        raise PaperlibError(f"{path} is {size}, more than {MAX_PIXELS:,}; shrink or remove it")
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise PaperlibError(f"{path} is {size}, longer than {MAX_ASPECT}:1; crop or remove it")


def _to_8_bits(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image).astype(np.float32), copy=False, posinf=0, neginf=0)
    low, high = 0.0, 1.0 if image.mode == "F" else 65535.0
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    values -= low
    values *= 255 / (high - low or 1)
    return Image.fromarray(values.round().astype(np.uint8))


class Photographs(Sequence[Tensor]):
    """Image files, decoded when asked for: `photographs[i]` is uint8 (3, H, W)."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        # One block of memory: a million strings would be copied to every worker process as it counts references.
        self.paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        return read_photograph(os.fsdecode(self.paths[index]))

    def subset(self, indices: Sequence[int]) -> "Photographs":
        """The photographs at `indices`, in that order."""
        chosen = Photographs([])
        chosen.paths = self.paths[list(indices)]
        return chosen

    def read_all(self) -> Tensor:
        """All of them, of one size, decoded into one uint8 tensor (N, 3, H, W) in memory.

        Raises PaperlibError naming the first photograph of another size than the first one.
        """
        first = self[0]
        images = first.new_empty(len(self), *first.shape)

        def read(index: int) -> None:
            image = self[index]
            if image.shape != first.shape:
                path, (_, height, width) = os.fsdecode(self.paths[index]), image.shape
                expected = f"{first.shape[2]}x{first.shape[1]} px like the first"
                raise PaperlibError(f"{path} is {width}x{height} px, not {expected}; replace or remove it")
            images[index] = image

        with ThreadPoolExecutor() as pool:
            for _ in pool.map(read, range(len(self))):  # raises what a thread raised
                pass
        return images
