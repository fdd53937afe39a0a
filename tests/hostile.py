"""A hundred and more files that pretend to be photographs, damaged and crafted ones, the same for the same seed."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {"jpg": "RGB", "png": "RGBA", "gif": "P", "bmp": "RGB", "webp": "RGBA", "tiff": "CMYK", "ppm": "L"}
ONES = b"\xff\xff\xff\xff"


def encode(kind: str, mode: str, **options: object) -> bytes:
    """A valid file of 64x48 px of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 4), dtype=np.uint8)
    image = Image.fromarray(noise)
    image = image.convert("RGB").convert("P") if mode == "P" else image.convert(mode)
    file = io.BytesIO()
    image.save(file, {"jpg": "jpeg"}.get(kind, kind), **options)
    return file.getvalue()


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    for place in rng.integers(0, len(data), 12):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut_short(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(4, len(content)))]


def lose_a_block(content: bytes, rng: np.random.Generator) -> bytes:
    place, length = int(rng.integers(10, len(content))), int(rng.integers(1, 400))
    return content[:place] + content[place + length :]


def blank_a_block(content: bytes, rng: np.random.Generator) -> bytes:
    place, length = int(rng.integers(10, len(content))), int(rng.integers(1, 400))
    return (content[:place] + bytes(length) + content[place + length :])[: len(content)]


def repeat_a_block(content: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(10, len(content)))
    return content[:place] + content[place - 10 : place] * 50 + content[place:]


def lie_in_the_header(content: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(4, 60))
    return content[:place] + ONES + content[place + 4 :]


def change_the_middle(content: bytes, rng: np.random.Generator) -> bytes:
    half = len(content) // 2
    return content[:half] + rng.bytes(200) + content[half + 200 :]


DAMAGE: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    flip_bits, cut_short, lose_a_block, blank_a_block, repeat_a_block, lie_in_the_header, change_the_middle,
)  # fmt: skip


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def tiff(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    """One directory of (tag, type, count, value), and the offset of the next."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following)


@cache
def crafted() -> dict[str, bytes]:
    """Files that lie about their size, unpack to gigabytes, or point at themselves."""
    pixels = chunk(b"IDAT", zlib.compress(bytes(48 * (64 * 3 + 1))))
    bomb = zlib.compress(bytes(300_000_000), 9)
    jpeg, gif, bmp, webp = (encode(kind, FORMATS[kind]) for kind in ("jpg", "gif", "bmp", "webp"))
    frame = jpeg.index(b"\xff\xc0")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 99, "x" * 60_000
    side = [(256, 4, 1, 64), (257, 4, 1, 48), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    return {
        "declares 65,535 px.jpg": jpeg[: frame + 5] + ONES + jpeg[frame + 9 :],
        "no scan.jpg": jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9",
        "scan twice.jpg": jpeg[:-2] + jpeg[jpeg.index(b"\xff\xda") :],
        "turned how.jpg": encode("jpg", "RGB", exif=exif),
        "two gigapixels.png": png(60_000, 36_000, pixels),
        "no pixels.png": png(0, 0, pixels),
        "pixels that go on.png": png(64, 48, chunk(b"IDAT", bomb)),
        "profile that goes on.png": png(64, 48, chunk(b"iCCP", b"x\0\0" + bomb), pixels),
        "text that goes on.png": png(64, 48, *[chunk(b"zTXt", b"x\0\0" + bomb)] * 3, pixels),
        "81 megapixels.png": png(9000, 9000, chunk(b"IDAT", zlib.compress(bytes(9000 * 1126))), depth=1, colour=0),
        "wrong depth.png": png(64, 48, pixels, depth=3, colour=6),
        "large screen.gif": gif[:6] + ONES + gif[10:],
        "upside down.bmp": bmp[:22] + struct.pack("<i", -48) + bmp[26:],
        "negative.bmp": bmp[:18] + struct.pack("<ii", -64, -(2**31)) + bmp[26:],
        "lying riff.webp": webp[:4] + ONES + webp[8:],
        "points at itself.tiff": tiff(side, 8),
        "one huge strip.tiff": tiff([*side, (279, 4, 1, 2**32 - 1)], 0),
        "four gigapixels.tiff": tiff([(256, 4, 1, 65_535), (257, 4, 1, 65_535), *side[2:]], 0),
        "ten gigapixels.ppm": b"P6 99999 99999 255\n" + bytes(99),
        "no maximum.ppm": b"P6 64 48 0\n" + bytes(64 * 48 * 3),
        "comments.ppm": b"P6\n" + b"# comment\n" * 9999,
        "telephone.heic": b"\0\0\0\x18ftypheic" + bytes(99),
        "telephone.avif": b"\0\0\0\x1cftypavif" + bytes(99),
        "nothing.jpg": b"",
    }


def make(folder: Path, seed: int = 0, rounds: int = 2) -> list[Path]:
    """Write them, 98 damaged and 24 crafted ones by default; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    files = dict(crafted())
    for number in range(rounds):
        for kind, mode in FORMATS.items():
            for damage in DAMAGE:
                files[f"{damage.__name__} {number}.{kind}"] = damage(encode(kind, mode), rng)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]
