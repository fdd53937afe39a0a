"""Download the archives of the data sets: from mirrors, checked by md5, resumed where a connection broke."""

import hashlib
import http.client
import os
import time
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from paperlib.errors import PaperlibError
from paperlib.version import __version__

CHUNK = 1 << 18  # bytes
TIMEOUT = 30.0  # seconds without an answer
TRIES = 5  # connections in a row that bring less than CHUNK
PAUSE = 1.0  # seconds before the second of them; twice as long before each further one
BUSY = (429, 500, 502, 503, 504)  # HTTP: a server that may answer later


class Archive(NamedTuple):
    """One file: its place and what it unpacks to, below the folder of data, its md5, and its addresses in turn."""

    place: str
    unpacked: str
    md5: str
    urls: tuple[str, ...]


def _fashion(name: str, md5: str) -> Archive:
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    raw = f"FashionMNIST/raw/{name}"
    return Archive(f"{raw}.gz", raw, md5, tuple(f"{mirror}{name}.gz" for mirror in mirrors))


def _cifar(name: str, unpacked: str, md5: str) -> Archive:
    return Archive(name, unpacked, md5, (f"https://www.cs.toronto.edu/~kriz/{name}",))


# Places and md5 are torchvision's, which unpacks what lies there.
ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "fashion-mnist": (
        _fashion("train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        _fashion("train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe"),
        _fashion("t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79"),
        _fashion("t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    "cifar10": (_cifar("cifar-10-python.tar.gz", "cifar-10-batches-py", "c58f30108f718f92721af3b95e74349a"),),
    "cifar100": (_cifar("cifar-100-python.tar.gz", "cifar-100-python", "eb9058c3a382ffc7106e4002c42a8d85"),),
    "caltech101": (
        Archive(
            "caltech101/caltech-101.zip",
            "caltech101/101_ObjectCategories",
            "3138e1922a9193bfa496528edbbc45d0",
            ("https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",),
        ),
    ),
    "imagenette": (
        Archive(
            "imagenette2.tgz",
            "imagenette2",
            "fe2fc210e6bb7c5664d602c3cd71e612",
            ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz",),
        ),
    ),
}


def fetch(archive: Archive, root: Path) -> None:
    """Download `archive` below `root`, unless it is there, or what it unpacks to.

    The bytes go to a file beside it that ends in `.part`: after a broken connection, in this call or an earlier one,
    only the rest is downloaded (HTTP Range). Raises PaperlibError naming each address and what was wrong with it.
    """
    path, problems = root / archive.place, []
    part = path.with_name(path.name + ".part")
    if (root / archive.unpacked).exists() or (path.exists() and _md5(path) == archive.md5):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for url in archive.urls:
        resumed = _size(part) > 0
        try:
            _download(url, part)
            if resumed and _md5(part) != archive.md5:  # the first bytes were of another file
                part.unlink()
                _download(url, part)
        except (OSError, http.client.HTTPException) as error:
            problems.append(f"{url}: {error}")
            continue
        if _md5(part) == archive.md5:
            os.replace(part, path)
            return
        part.unlink()
        problems.append(f"{url}: not the file that was expected (its md5 is another)")
    advice = f"check the connection, then run the same command, which goes on; or put the file there yourself: {path}"
    raise PaperlibError(f"cannot fetch {path.name} ({'; '.join(problems)}); {advice}")


def _download(url: str, part: Path) -> None:
    """Get what `part` lacks of `url`, over as many connections as that takes.

    Gives up where one brings nothing and the server is not merely busy, and after `TRIES` in a row that bring little.
    """
    tries = 0
    while True:
        before = _size(part)
        try:
            return _get_the_rest(url, part)
        except (OSError, http.client.HTTPException) as error:
            came = _size(part) - before
            busy = isinstance(error, HTTPError) and error.code in BUSY
            tries = 0 if came >= CHUNK else tries + 1
            if tries == TRIES or (came <= 0 and not busy):
                raise
            if tries:
                time.sleep(PAUSE * 2 ** (tries - 1))


def _get_the_rest(url: str, part: Path) -> None:
    done = _size(part)
    headers = {"User-Agent": f"paperlib/{__version__}"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and done:  # nothing follows: the md5 tells whether it is complete
            return
        raise
    with response:
        if response.status != 206:  # a server that knows no ranges sends all again
            done = 0
        total = None if response.length is None else done + response.length  # None, too, for what is no number
        bar = tqdm(desc=part.stem, total=total, initial=done, unit="B", unit_scale=True, leave=False, disable=None)
        with open(part, "ab" if done else "wb") as file, bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(part) < total:
        raise ConnectionError(f"the connection closed after {_size(part):,} of {total:,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
