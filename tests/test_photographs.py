"""Photographs in bounded memory: a budget over all threads, strips, large JPEG files reduced, other formats named."""

import io
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib import data
from paperlib.data import photographs
from paperlib.data.photographs import MemoryBudget
from paperlib.errors import PaperlibError
from paperlib.transforms import rescale


def noise(mode: str, width: int = 60, height: int = 40) -> Image.Image:
    rng = np.random.default_rng(0)
    if mode in ("I;16", "I", "F"):
        kind, top = {"I;16": (np.uint16, 65535), "I": (np.int32, 90_000), "F": (np.float32, 1)}[mode]
        return Image.fromarray((rng.random((height, width)) * top).astype(kind))
    image = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
    return image.convert("RGB").convert("P") if mode == "P" else image.convert(mode)


def test_threads_never_hold_more_than_the_budget() -> None:
    budget, held, most, lock = MemoryBudget(10), 0, 0, Lock()

    def work(count: int) -> None:
        nonlocal held, most
        with budget.reserve(count):
            with lock:
                held += min(count, 10)
                most = max(most, held)
            with lock:
                held -= min(count, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1, 9, 5, 5, 10, 30, 2, 3] * 50))  # 30: more than there is takes all
    assert 5 <= most <= 10
    assert budget.free == 10


def test_the_budget_is_given_back_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(PaperlibError):
        data.read_photograph(tmp_path / "cut.png")
    content = io.BytesIO()
    noise("RGB").save(content, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(content.getvalue()[:900])
    with pytest.raises(PaperlibError, match=r"cut\.jpg is not a readable image"):
        data.read_photograph(tmp_path / "cut.jpg")
    assert photographs.DECODING.free == photographs.DECODING.total


def test_two_photographs_that_fill_the_budget_are_decoded_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread waits inside its decoding for the other to come in, which it may only with room for both."""
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path in paths:
        noise("RGB").save(path)
    original, both = photographs.to_rgb, Barrier(2)
    together: list[bool] = []

    def slow(image: Image.Image) -> np.ndarray:
        try:
            both.wait(timeout=0.3)
            together.append(True)
        except Exception:
            together.append(False)
            both.reset()
        return original(image)

    monkeypatch.setattr(photographs, "to_rgb", slow)
    need = photographs.BYTES_PER_PIXEL * 60 * 40
    for total, expected in ((2 * need, [True, True]), (2 * need - 1, [False, False])):
        monkeypatch.setattr(photographs, "DECODING", MemoryBudget(total))
        together.clear()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(data.read_photograph, paths))
        assert together == expected


@pytest.mark.parametrize("name", ["1.png", "L.png", "LA.png", "RGBA.png", "P.png", "P.gif", "RGB.jpg", "CMYK.jpg",
                                  "CMYK.tif", "I;16.png", "I;16.tif", "I.tif", "F.tif"])  # fmt: skip
def test_strips_give_the_pixels_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    options = {"exif": exif} if name.endswith("jpg") else {"transparency": 3} if name == "P.png" else {}
    noise(name.split(".")[0]).save(tmp_path / name, **options)
    at_once = data.read_photograph(tmp_path / name)
    assert at_once.shape == ((3, 60, 40) if name.endswith("jpg") else (3, 40, 60))
    for pixels in (1, 500):  # one row, and eight or twelve
        monkeypatch.setattr(photographs, "STRIP", pixels)
        assert torch.equal(data.read_photograph(tmp_path / name), at_once)


def test_a_jpeg_file_of_too_many_pixels_is_decoded_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A telephone's 200 megapixels: at half its sides, the same picture; nothing below the limit changes."""
    smooth = noise("RGB", 6, 4).resize((120, 80), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "x.jpg", quality=95)
    full = data.read_photograph(tmp_path / "x.jpg")
    for limit, shape in ((9600, (3, 80, 120)), (9599, (3, 40, 60)), (2399, (3, 20, 30)), (600, (3, 20, 30))):
        monkeypatch.setattr(photographs, "MAX_PIXELS", limit)
        image = data.read_photograph(tmp_path / "x.jpg")
        assert image.shape == shape
        assert (image.float() - rescale(full, shape[1]).float()).abs().mean() < 4
    monkeypatch.setattr(photographs, "MAX_PIXELS", 599)
    with pytest.raises(PaperlibError, match=r"x\.jpg is 30x20 px, more than 599; shrink or remove it"):
        data.read_photograph(tmp_path / "x.jpg")
    smooth.save(tmp_path / "progressive.jpg", progressive=True)  # its decoder holds all of it
    with pytest.raises(PaperlibError, match=r"progressive\.jpg is 120x80 px, more than 599"):
        data.read_photograph(tmp_path / "progressive.jpg")
    smooth.save(tmp_path / "x.png")
    with pytest.raises(PaperlibError, match=r"x\.png is 120x80 px, more than 599"):
        data.read_photograph(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("brand", "name"),
    [(b"heic", "HEIC"), (b"heix", "HEIC"), (b"hevc", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF"), (b"avis", "AVIF")],
)
def test_a_format_of_telephones_names_the_readable_ones(tmp_path: Path, brand: bytes, name: str) -> None:
    path = tmp_path / "IMG_0001.jpg"  # whatever its name
    path.write_bytes(bytes([0, 0, 0, 24]) + b"ftyp" + brand + bytes(100))
    message = (
        rf"IMG_0001\.jpg is {name}, a format that is not read here; convert it to JPEG, PNG, .* or PPM, or remove it"
    )
    with pytest.raises(PaperlibError, match=message):
        data.read_photograph(path)


PEAK = """
import resource, sys
from paperlib.data import read_photograph
def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
read_photograph(sys.argv[1])
before = resident()
image = read_photograph(sys.argv[2])
print((resident() - before) / (image.shape[1] * image.shape[2]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the resident memory")
@pytest.mark.parametrize("name", ["RGBA.png", "RGB.jpg"])
def test_a_large_photograph_takes_no_more_memory_than_is_reserved(tmp_path: Path, name: str) -> None:
    """20 megapixels with alpha took 26 bytes a pixel."""
    mode = name.split(".")[0]
    noise(mode).save(tmp_path / name)
    large = tmp_path / f"large-{name}"
    Image.new(mode, (5000, 4000), (9, 99, 199, 50)[: len(mode)]).save(large)
    command = [sys.executable, "-c", PEAK, str(tmp_path / name), str(large)]
    each = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert each < photographs.BYTES_PER_PIXEL


def test_pillow_is_of_a_release_without_known_faults_in_the_decoders_that_are_used() -> None:
    """libwebp before 10.0.1 (CVE-2023-4863), libtiff before 12.0 (CVE-2025-9900); later ones are of other formats."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (bound,) = (r.removeprefix("pillow>=") for r in project["dependencies"] if r.startswith("pillow"))
    assert int(bound.split(".")[0]) >= 12
    assert not {"PSD", "FITS", "DDS", "JPEG2000", "EPS", "MCIDAS", "TGA"} & set(photographs.FORMATS)
