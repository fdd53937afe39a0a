"""Data sets: explicit splits, determinism, and clear words about missing and broken files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paperlib import data
from paperlib.errors import PaperlibError
from paperlib.scenes import MAX_ASPECT, OBJECT_SCALE, SIDES, Scenes, scene


def test_fashion_mini_is_balanced_and_split() -> None:
    mini = data.load("fashion-mini")
    assert [len(s) for s in (mini.train, mini.val, mini.test)] == [5400, 600, 2000]
    for split, per_class in ((mini.train, 540), (mini.val, 60), (mini.test, 200)):
        assert split.labels.bincount().tolist() == [per_class] * 10
        assert split.images[0].shape == (3, 28, 28)
        assert split.images[0].dtype == torch.uint8

    def keys(split):
        return {image[0].numpy().tobytes() for image in split.images}

    assert len(keys(mini.train)) > 5390  # nearly no image twice
    assert not keys(mini.train) & keys(mini.val)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0, 1), st.integers(0, 5))
def test_carve_partitions_each_class(labels: list[int], fraction: float, seed: int) -> None:
    tensor = torch.tensor(labels)
    rest, carved = data.carve(tensor, fraction, seed)
    assert sorted(rest.tolist() + carved.tolist()) == list(range(len(labels)))
    for c in set(labels):
        assert int((tensor[carved] == c).sum()) == round(labels.count(c) * fraction)
    again = data.carve(tensor, fraction, seed)
    assert torch.equal(again[0], rest)


def test_scenes_depend_on_seed_and_index_alone() -> None:
    things = data.load("fashion-mini").train.images[:30, 0]
    scenes = Scenes(things, seed=5)
    backwards = [scenes[i] for i in reversed(range(30))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(scenes, backwards, strict=True))
    assert not torch.equal(scene(things[0], 5, 0), scene(things[0], 6, 0)[..., : scenes[0].shape[2]])
    assert scene(things[0], 5, 0).shape != scene(things[0], 5, 1).shape


def test_the_scenes_of_the_splits_are_composed_differently() -> None:
    scenes = data.load("fashion-scenes")
    shapes = [[tuple(split.images[i].shape) for i in range(5)] for split in (scenes.train, scenes.val, scenes.test)]
    assert shapes[0] != shapes[1] != shapes[2] != shapes[0]


def test_a_scene_shows_the_grey_values_of_its_object() -> None:
    """The brighter side of a ramp is nearer to a white object than the darker side."""
    ramp = torch.linspace(64, 255, 28).to(torch.uint8).expand(28, 28)
    flat = torch.full((28, 28), 255, dtype=torch.uint8)
    difference = (scene(flat, 0, 3).float() - scene(ramp, 0, 3).float()).abs().sum(dim=(0, 1))
    columns = difference.nonzero()[:, 0]
    middle = int(columns.float().mean())
    assert difference[:middle].sum() > 2 * difference[middle:].sum() > 0


def test_scenes_keep_to_their_stated_ranges() -> None:
    white = torch.full((28, 28), 255, dtype=torch.uint8)
    scales = []
    for index in range(150):
        image = scene(white, 0, index)
        height, width = image.shape[1:]
        assert image.dtype == torch.uint8
        assert SIDES[0] <= min(height, width) <= max(height, width) <= SIDES[1]
        assert max(height, width) <= MAX_ASPECT * min(height, width)
        # a white object is one flat colour: the most frequent one of the scene
        colours = (image.long() * torch.tensor([1 << 16, 1 << 8, 1])[:, None, None]).sum(dim=0)
        scales.append(colours.unique(return_counts=True)[1].max().item() ** 0.5 / min(height, width))
    assert min(scales) > OBJECT_SCALE[0] - 0.03
    assert max(scales) < OBJECT_SCALE[1] + 0.03
    assert max(scales) - min(scales) > 0.4  # the range is used


def test_an_unknown_data_set_names_the_near_ones() -> None:
    with pytest.raises(PaperlibError, match="unknown data set 'caltech11'; did you mean caltech101"):
        data.load("caltech11")


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "cifar100", "caltech101"])
def test_missing_data_say_where_and_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    with pytest.raises(PaperlibError, match=f"{name} is not .* {tmp_path}.*set PAPERLIB_DATA .* paperlib data {name}"):
        data.load(name)
    assert list(tmp_path.iterdir()) == []


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small Fashion-MNIST in torchvision's layout."""
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 100), ("t10k", 20)):
        write_idx(raw / f"{prefix}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28)))
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", np.arange(count) % 10)
    return raw


def test_fashion_mnist_is_read_where_it_is_found(fashion: Path) -> None:
    found = data.load("fashion-mnist")
    assert [len(s) for s in (found.train, found.val, found.test)] == [90, 10, 20]
    assert found.val.labels.bincount().tolist() == [1] * 10


def test_a_truncated_file_is_named(fashion: Path) -> None:
    path = fashion / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PaperlibError, match=r"train-images-idx3-ubyte is broken .*remove it"):
        data.load("fashion-mnist")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_file_of_another_kind_is_named(fashion: Path, content: bytes) -> None:
    (fashion / "t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(PaperlibError, match=r"t10k-labels-idx1-ubyte is broken"):
        data.load("fashion-mnist")


def test_labels_that_do_not_fit_are_refused(fashion: Path) -> None:
    write_idx(fashion / "train-labels-idx1-ubyte", np.arange(90) % 10)
    with pytest.raises(PaperlibError, match="100 images with 90 labels"):
        data.load("fashion-mnist")
    write_idx(fashion / "train-labels-idx1-ubyte", np.arange(100) % 30)
    with pytest.raises(PaperlibError, match="labels above 9"):
        data.load("fashion-mnist")


def test_a_caltech_with_a_stray_or_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file more in one class would draw another split, and training photographs would be tested on."""
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    for c in ("BACKGROUND_Google", "ant", "beaver"):
        folder = tmp_path / "caltech101" / "101_ObjectCategories" / c
        folder.mkdir(parents=True)
        for i in range(1, 21):
            Image.new("RGB", (30, 20)).save(folder / f"image_{i:04d}.jpg")
    monkeypatch.setattr(data, "CALTECH_101", (2, 40))
    found = data.load("caltech101")
    assert [len(s) for s in (found.train, found.val, found.test)] == [26, 4, 10]
    assert found.train.images[0].shape == (3, 20, 30)
    (folder / "Thumbs.db").touch()
    with pytest.raises(PaperlibError, match="holds 2 classes with 41 files"):
        data.load("caltech101")


def test_cifar_rows_and_columns() -> None:
    """torchvision gives (N, 32, 32, 3); here the channel comes first, then the row."""

    class Cifar:
        classes = ("a", "b")

        def __init__(self, root: Path, train: bool, download: bool) -> None:
            self.data = np.zeros((20, 32, 32, 3), np.uint8)
            self.data[:, 3, 7, 1] = 200
            self.targets = [i % 2 for i in range(20)]

    image = data._cifar(Cifar)(False).test.images[0]  # type: ignore[arg-type]
    assert image.shape == (3, 32, 32)
    assert image.nonzero().tolist() == [[1, 3, 7]]


def test_a_broken_embedded_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "files", lambda package: tmp_path)
    with pytest.raises(PaperlibError, match=r"fashion_mini.npz is missing; reinstall"):
        data.load("fashion-mini")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "fashion_mini.npz").write_bytes(b"PK")
    with pytest.raises(PaperlibError, match=r"fashion_mini.npz is broken .*reinstall"):
        data.load("fashion-mini")


def test_photographs_come_as_rgb_upright(tmp_path: Path) -> None:
    grey, turned = tmp_path / "grey.png", tmp_path / "turned.jpg"
    Image.new("L", (7, 5), 100).save(grey)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.new("RGB", (40, 20)).save(turned, exif=exif)
    assert data.photograph(grey).shape == (3, 5, 7)
    assert data.photograph(turned).shape == (3, 40, 20)


def test_sixteen_bits_are_not_clipped_to_white(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(path)
    assert data.photograph(path)[0].tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xe0 truncated"])
def test_an_unreadable_photograph_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(PaperlibError, match=r"bad\.jpg is not a readable image .*replace or remove it"):
        data.photograph(path)
