"""Downloads: whole by md5, from the next mirror, and going on where a connection broke."""

import gzip
import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST

from paperlib import data
from paperlib.cli import main
from paperlib.data import fetch as fetch_module
from paperlib.data.fetch import ARCHIVES, Archive, fetch
from paperlib.errors import PaperlibError
from tests.test_data import write_idx

CONTENT = np.random.default_rng(0).bytes(2_000_000)


class Server(ThreadingHTTPServer):
    """Hands out `files` by path; `asked` holds the Range of each request, `sends` how many bytes before it hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str | None] = []
        self.sends: list[int] = []
        self.ranges = True
        self.length: str | None = None  # in place of the right Content-Length
        self.busy = 0  # answers 503 so often

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        content = self.server.files.get(self.path[1:])
        if content is None:
            return self.send_error(404)
        if self.server.busy:
            self.server.busy -= 1
            return self.send_error(503)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(content) > 0:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", self.server.length or str(len(content) - start))
        self.end_headers()
        stop = start + self.server.sends.pop(0) if self.server.sends else None
        self.wfile.write(content[start:stop])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a download would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(fetch_module.time, "sleep", waited.append)
    return waited


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        server.files["a.tgz"] = CONTENT
        yield server
        server.shutdown()


def archive(*urls: str, content: bytes = CONTENT) -> Archive:
    return Archive("set/a.tgz", "set/a", hashlib.md5(content).hexdigest(), urls)


def test_a_file_comes_whole_and_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        fetch(archive(f"{server.url}a.tgz"), tmp_path)
        assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT
    assert server.asked == [None]
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["a.tgz"]


def test_what_is_unpacked_is_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert server.asked == []


def test_a_broken_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.sends = [700_000, 300_001]
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=700000-", "bytes=1000001-"]


def test_the_next_call_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.sends = [700_000, 0]  # a try that brings nothing ends the call
    with pytest.raises(PaperlibError, match=r"the connection closed after 700,000 of 2,000,000 bytes.*which goes on"):
        fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert not (tmp_path / "set" / "a.tgz").exists()
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=700000-", "bytes=700000-"]


def test_a_server_of_one_byte_a_connection_is_given_up_after_growing_pauses(
    server: Server, tmp_path: Path, pauses: list[float]
) -> None:
    server.sends = [1] * 1000
    with pytest.raises(PaperlibError, match="the connection closed after 5 of 2,000,000 bytes"):
        fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert pauses == [1, 2, 4, 8]
    server.sends = []
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT


def test_slow_connections_count_in_a_row_only(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    server.sends = [1, 1, 1, 300_000] * 5
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT
    assert pauses == [1, 2, 4] * 5


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    server.busy = 3
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert pauses == [1, 2, 4]
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["banana", "-5", "1e9", "", "9" * 30])
def test_a_content_length_that_means_nothing_is_survived(
    server: Server, tmp_path: Path, pauses: list[float], length: str
) -> None:
    server.length = length or " "
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.sends = False, [700_000]
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file", CONTENT, CONTENT + b"more"])
def test_what_an_earlier_call_left_is_checked(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.tgz.part").write_bytes(left)
    (tmp_path / "set" / "a.tgz").write_bytes(CONTENT[:99])  # of another tool, which could not go on
    fetch(archive(f"{server.url}a.tgz"), tmp_path)
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT
    assert server.asked[0] == f"bytes={len(left)}-"


def test_the_next_mirror_goes_on_with_the_bytes_of_the_first(server: Server, tmp_path: Path) -> None:
    server.files["b.tgz"] = CONTENT
    server.sends = [700_000, 0]
    fetch(
        archive("http://127.0.0.1:9/a.tgz", f"{server.url}none.tgz", *(f"{server.url}{n}.tgz" for n in "ab")), tmp_path
    )
    assert (tmp_path / "set" / "a.tgz").read_bytes() == CONTENT
    assert server.asked == [None, None, "bytes=700000-", "bytes=700000-"]


def test_another_md5_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(PaperlibError, match=r"a\.tgz: not the file that was expected.*put the file"):
        fetch(archive(f"{server.url}a.tgz", content=b"another"), tmp_path)
    assert list((tmp_path / "set").iterdir()) == []


def test_the_archives_are_those_that_torchvision_unpacks() -> None:
    for one, (name, md5) in zip(ARCHIVES["fashion-mnist"], FashionMNIST.resources, strict=True):
        assert (one.place, one.md5) == (f"FashionMNIST/raw/{name}", md5)
        assert one.urls[0] == f"{FashionMNIST.mirrors[0]}{name}"
    for name, cifar in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        (one,) = ARCHIVES[name]
        assert (one.place, one.unpacked, one.md5) == (cifar.filename, cifar.base_folder, cifar.tgz_md5)
        assert one.urls == (cifar.url,)
    (one,) = ARCHIVES["imagenette"]
    assert (one.urls[0], one.md5) == datasets.Imagenette._ARCHIVES["full"]


@pytest.fixture
def fashion(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fashion-MNIST in little on the server, behind a mirror that answers nobody; the folder it will go to."""
    rng, archives = np.random.default_rng(0), []
    for prefix, count in (("train", 100), ("t10k", 20)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", np.arange(count) % 10),
        ):
            name = f"{prefix}-{kind}-ubyte"
            write_idx(tmp_path / name, array)
            packed = server.files[f"{name}.gz"] = gzip.compress((tmp_path / name).read_bytes())
            urls = (f"http://127.0.0.1:9/{name}.gz", f"{server.url}{name}.gz")
            raw = f"FashionMNIST/raw/{name}"
            archives.append(Archive(f"{raw}.gz", raw, hashlib.md5(packed).hexdigest(), urls))
    monkeypatch.setitem(ARCHIVES, "fashion-mnist", tuple(archives))
    monkeypatch.setattr(FashionMNIST, "resources", [(Path(a.place).name, a.md5) for a in archives])
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "FashionMNIST" / "raw"


def test_the_command_fetches_and_unpacks(server: Server, fashion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.sends = [999]
    for _ in range(2):
        assert main(["data", "fashion-mnist"]) == 0
        assert "fashion-mnist: 10 classes, 90 train, 10 val, 20 test images" in capsys.readouterr().out
    assert len(server.asked) == 5  # one of the four files in two parts
    found = data.load("fashion-mnist")
    assert found.test.labels.tolist() == [i % 10 for i in range(20)]


def test_without_a_connection_that_is_said(server: Server, fashion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.files.clear()
    assert main(["data", "fashion-mnist"]) == 2
    said = capsys.readouterr().err
    assert "cannot fetch train-images-idx3-ubyte.gz (http://127.0.0.1:9/" in said
    assert "Connection refused" in said
    assert "404" in said
    assert f"put the file there yourself: {fashion}" in said
