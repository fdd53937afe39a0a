"""Photographs: image files, decoded when asked for, in bounded memory."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from paperlib.errors import PaperlibError

MAX_ASPECT = 16  # rescaled to Q, a longer photograph would be a strip of more than 16 Q^2 pixels
MAX_PIXELS = 89_000_000  # decoded at once; from about there Pillow warns of a decompression bomb
BYTES_PER_PIXEL = 16  # while one is decoded: Pillow's image, the tensor, and a decoder's own copy (WebP: two)
STRIP = 4_000_000  # pixels that are converted to RGB at once
# Only these, whatever the name of the file (MPO is read as JPEG): one of Pillow's other readers starts Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
OTHERS = {b"ftyphei": "HEIC", b"ftyphev": "HEIC", b"ftypmif1": "HEIC", b"ftypmsf1": "HEIC", b"ftypavi": "AVIF"}
Image.init()  # registers the formats, so that they are known by name


class MemoryBudget:
    """Bytes that all threads of a process share: `with budget.reserve(n)` waits until n of them are free."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.reset()
        if hasattr(os, "register_at_fork"):  # a worker process has its own, of which nothing is reserved
            os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """All bytes are free."""
        self.free, self.changed = self.total, threading.Condition()

    @contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Hold `count` bytes, or all of them where there are fewer."""
        count = min(count, self.total)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= count)
            self.free -= count
        try:
            yield
        finally:
            with self.changed:
                self.free += count
                self.changed.notify_all()


DECODING = MemoryBudget(BYTES_PER_PIXEL * MAX_PIXELS)  # 1.4 GB: the largest photograph is decoded alone


def read_photograph(path: str | Path) -> Tensor:
    """The image file as uint8 RGB (3, H, W), turned upright, transparent parts on white.

    Greys of 16 bits run from 0 to 65535, of floating point from 0 to 1; where a file exceeds that range, from its
    minimum to its maximum. A JPEG file of more than `MAX_PIXELS` is decoded at a half of its sides, or a quarter.
    All threads together take some `DECODING.total` bytes. Raises PaperlibError naming the file where it is unreadable,
    in a format other than `FORMATS`, of more pixels than that, or longer than `MAX_ASPECT`:1.
    """
    if not os.path.isfile(path):  # opening a pipe or a device may wait for ever
        raise PaperlibError(f"{path} is not a file that can be read; replace or remove it")
    try:
        with open(path, "rb") as file:
            start = file.read(16)
        with JpegImageFile(path) if start[:3] == b"\xff\xd8\xff" else Image.open(path, formats=FORMATS) as image:
            reduce_large_jpeg(image)
            check_size(path, image)
            with DECODING.reserve(BYTES_PER_PIXEL * image.width * image.height):
                return torch.from_numpy(to_rgb(image)).permute(2, 0, 1)
    except PaperlibError:
        raise
    except Exception as error:  # a decoder may raise anything on a broken file
        if other := next((name for key, name in OTHERS.items() if key in start), None):
            advice = f"convert it to {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, or remove it"
            raise PaperlibError(f"{path} is {other}, a format that is not read here; {advice}") from error
        raise PaperlibError(f"{path} is not a readable image ({error}); replace or remove it") from error


def reduce_large_jpeg(image: Image.Image) -> None:
    """Have a JPEG file of more than `MAX_PIXELS` decoded at 1/2 or 1/4 of its sides, which saves time and memory.

    Progressive files stay as they are: their decoder holds the full image.
    """
    if isinstance(image, JpegImageFile) and not image.info.get("progressive"):
        scale = next((s for s in (1, 2) if image.width * image.height <= s * s * MAX_PIXELS), 4)
        if scale > 1:
            image.draft(None, (image.width // scale, image.height // scale))


def check_size(path: str | Path, image: Image.Image) -> None:
    """Raise PaperlibError naming the file where it has too many pixels or too long a side."""
    size = f"{image.width}x{image.height} px"
    if image.width * image.height > MAX_PIXELS:
        raise PaperlibError(f"{path} is {size}, more than {MAX_PIXELS:,}; shrink or remove it")
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise PaperlibError(f"{path} is {size}, longer than {MAX_ASPECT}:1; crop or remove it")


def to_rgb(image: Image.Image) -> np.ndarray:
    """The pixels (H, W, 3), uint8, of an image turned upright; converted strip by strip, which saves memory."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith(("I", "F")):  # more than 8 bits a pixel: Pillow's own conversion clips them
        return np.repeat(to_8_bits(np.asarray(image), image.mode)[:, :, None], 3, axis=2)
    rgb = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for rows in strips(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop))
        if strip.mode in ("LA", "PA", "RGBA") or "transparency" in strip.info:
            white = Image.new("RGBA", strip.size, "white")
            strip = Image.alpha_composite(white, strip.convert("RGBA"))
        rgb[rows] = np.asarray(strip.convert("RGB"))
    return rgb


def to_8_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Greys (H, W) of an image of mode I or F as uint8."""

    def finite(rows: slice) -> np.ndarray:
        return np.nan_to_num(values[rows].astype(np.float32), copy=False, posinf=0, neginf=0)

    every = strips(*values.shape)
    low, high = 0.0, 1.0 if mode == "F" else 65535.0
    least, greatest = min(finite(rows).min() for rows in every), max(finite(rows).max() for rows in every)
    if least < low or greatest > high:
        low, high = float(least), float(greatest)
    grey = np.empty(values.shape, dtype=np.uint8)
    for rows in every:
        part = finite(rows)
        part -= low
        part *= 255 / (high - low or 1)
        grey[rows] = part.round().astype(np.uint8)
    return grey


def strips(height: int, width: int) -> list[slice]:
    """Slices of rows of at most `STRIP` pixels, or of one row."""
    step = max(1, STRIP // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


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
