"""Data sets: explicit splits, determinism, and clear words about missing and broken files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets

from paperlib import data
from paperlib.data import sets
from paperlib.data.scenes import MAX_ASPECT, OBJECT_SCALE, SIDES, Scenes, scene
from paperlib.errors import PaperlibError


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
def test_a_stratified_split_partitions_each_class(labels: list[int], fraction: float, seed: int) -> None:
    tensor = torch.tensor(labels)
    rest, chosen = data.stratified_split(tensor, fraction, seed)
    assert sorted(rest.tolist() + chosen.tolist()) == list(range(len(labels)))
    for c in set(labels):
        assert int((tensor[chosen] == c).sum()) == round(labels.count(c) * fraction)
    again = data.stratified_split(tensor, fraction, seed)
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


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "cifar100", "caltech101", "imagenette"])
def test_missing_data_say_where_and_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    with pytest.raises(
        PaperlibError, match=f"{name} is missing .* {tmp_path}.*set PAPERLIB_DATA .* paperlib data {name}"
    ):
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


def test_a_scene_of_every_object_of_fashion_mnist(fashion: Path) -> None:
    scenes, flat = data.load("fashion-scenes-full"), data.load("fashion-mnist")
    for seed, part in enumerate(("train", "val", "test"), start=1):
        composed, objects = getattr(scenes, part), getattr(flat, part)
        assert torch.equal(composed.labels, objects.labels)
        last = len(objects) - 1
        assert torch.equal(composed.images[last], scene(objects.images[last][0], seed, last))


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten classes, five pictures of 32 px each for train and one for test, each of one grey value."""
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    monkeypatch.setattr(sets, "CIFAR10_JPEG", {"train": 50, "test": 10})
    for part, count in (("train", 5), ("test", 1)):
        for c in range(10):
            folder = tmp_path / "cifar10-images" / part / f"class{c}"
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("L", (32, 32), 20 * c + i).save(folder / f"{i:04d}.jpg", quality=95)
    return tmp_path / "cifar10-images"


def test_cifar_as_jpeg_files_lies_in_one_tensor(pictures: Path) -> None:
    found = data.load("cifar10-jpeg")
    assert found.classes == tuple(f"class{c}" for c in range(10))
    assert [len(s) for s in (found.train, found.val, found.test)] == [50, 0, 10]  # a tenth of five is rounded to none
    assert isinstance(found.train.images, torch.Tensor)
    assert found.train.images.dtype == torch.uint8
    assert found.train.images.shape == (50, 3, 32, 32)
    grey = torch.tensor([20 * c + i for c in range(10) for i in range(5)])
    assert (found.train.images.flatten(1).float().mean(dim=1) - grey).abs().max() < 2
    assert found.test.labels.tolist() == list(range(10))


def test_cifar_as_jpeg_files_is_refused_where_pictures_are_missing_or_odd(pictures: Path) -> None:
    Image.new("RGB", (30, 32)).save(pictures / "test" / "class3" / "0000.jpg")
    with pytest.raises(PaperlibError, match=r"class3.0000.jpg is 30x32 px, not 32x32 px like the first"):
        data.load("cifar10-jpeg")
    (pictures / "train" / "class9" / "0004.jpg").unlink()
    with pytest.raises(PaperlibError, match=r"train holds 10 classes with 49 images, not 10 with 50"):
        data.load("cifar10-jpeg")


@pytest.mark.parametrize(("name", "mean"), [("cifar10-jpeg", (125.3, 123.0, 113.9)), ("fashion-scenes-full", None)])
def test_the_full_sets_where_they_are(name: str, mean: tuple[float, ...] | None) -> None:
    try:
        found = data.load(name)
    except PaperlibError as error:
        pytest.skip(str(error))
    images = 50_000 if mean else 60_000
    assert [len(s) for s in (found.train, found.val, found.test)] == [images * 9 // 10, images // 10, 10_000]
    for split in (found.train, found.val, found.test):
        assert split.labels.bincount().tolist() == [len(split) // 10] * 10
    if mean:  # as those of CIFAR-10 itself
        assert isinstance(found.train.images, torch.Tensor)
        assert (found.train.images.float().mean(dim=(0, 2, 3)) - torch.tensor(mean)).abs().max() < 0.2


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
    monkeypatch.setattr(sets, "CALTECH_101", (2, 40))
    found = data.load("caltech101")
    assert [len(s) for s in (found.train, found.val, found.test)] == [26, 4, 10]
    assert found.train.images[0].shape == (3, 20, 30)
    (folder / "Thumbs.db").touch()
    with pytest.raises(PaperlibError, match="holds 2 classes with 41 files"):
        data.load("caltech101")


def test_imagenette_is_read_in_torchvisions_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    monkeypatch.setattr(sets, "IMAGENETTE", {"train": 100, "val": 20})
    for part, count in (("train", 10), ("val", 2)):
        for number, wnid in enumerate(datasets.Imagenette._WNID_TO_CLASS):
            folder = tmp_path / "imagenette2" / part / wnid
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (30, 20), (number, i, 0)).save(folder / f"{i}.JPEG", quality=100)
    found = data.load("imagenette")
    assert [len(s) for s in (found.train, found.val, found.test)] == [90, 10, 20]
    assert found.test.labels.tolist() == [i // 2 for i in range(20)]
    assert found.test.images[18].float().mean(dim=(1, 2)) == pytest.approx([9, 0, 0], abs=1.5)  # the right file
    categories = torchvision.models.VGG16_Weights.IMAGENET1K_V1.meta["categories"]
    assert [categories[i] for i in sets.IMAGENETTE_IN_IMAGENET] == list(found.classes)
    (folder / "1.JPEG").unlink()
    with pytest.raises(PaperlibError, match="val holds 10 classes with 19 images, not 10 with 20"):
        data.load("imagenette")
    folder.rename(folder.with_name("parachute"))
    with pytest.raises(PaperlibError, match=r"imagenette is missing or broken"):
        data.load("imagenette")


def test_cifar_rows_and_columns() -> None:
    """torchvision gives (N, 32, 32, 3); here the channel comes first, then the row."""

    class Cifar:
        classes = ("a", "b")

        def __init__(self, root: Path, train: bool, download: bool) -> None:
            self.data = np.zeros((20, 32, 32, 3), np.uint8)
            self.data[:, 3, 7, 1] = 200
            self.targets = [i % 2 for i in range(20)]

    image = sets._cifar(Cifar)(False).test.images[0]  # type: ignore[arg-type]
    assert image.shape == (3, 32, 32)
    assert image.nonzero().tolist() == [[1, 3, 7]]


def test_a_broken_embedded_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "files", lambda package: tmp_path)
    with pytest.raises(PaperlibError, match=r"fashion_mini.npz is missing; reinstall"):
        data.load("fashion-mini")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "fashion_mini.npz").write_bytes(b"PK")
    with pytest.raises(PaperlibError, match=r"fashion_mini.npz is broken .*reinstall"):
        data.load("fashion-mini")


def colours(tmp_path: Path, image: Image.Image, name: str, **options: Any) -> list[tuple[int, ...]]:
    """The pixels of a one-row image after a trip through a file."""
    image.save(tmp_path / name, **options)
    return [tuple(pixel) for pixel in data.read_photograph(tmp_path / name)[:, 0].T.tolist()]


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    turned = Image.new("RGB", (40, 20))
    turned.paste((255, 0, 0), (0, 0, 10, 20))  # red on the left as stored
    exif = Image.Exif()
    for orientation, shape, row, column in (
        (6, (3, 40, 20), 2, 10),
        (3, (3, 20, 40), 10, 37),
        (8, (3, 40, 20), 37, 10),
    ):
        exif[0x0112] = orientation
        turned.save(tmp_path / "turned.jpg", exif=exif)
        image = data.read_photograph(tmp_path / "turned.jpg")
        assert image.shape == shape
        assert image[0, row, column] > 200
        assert image[0, shape[1] - 1 - row, shape[2] - 1 - column] < 50


def test_greys_of_every_depth(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    grey = [(0,) * 3, (1,) * 3, (128,) * 3, (255,) * 3]
    for name in ("deep.png", "deep.tif"):  # PIL's own conversion clips these to white
        assert colours(tmp_path, Image.fromarray(deep), name) == grey
    assert colours(tmp_path, Image.fromarray(deep.astype(np.int32)), "int.tif") == grey
    assert colours(tmp_path, Image.fromarray(deep.astype(np.float32) / 65535), "unit.tif") == grey
    assert colours(tmp_path, Image.fromarray((deep / 257).astype(np.uint8)), "grey.png") == grey
    wild = np.array([[-10, 0, 10, np.nan]], np.float32)  # outside 0 to 1: from the least to the greatest
    assert [c[0] for c in colours(tmp_path, Image.fromarray(wild), "wild.tif")] == [0, 128, 255, 128]
    flat = np.full((1, 2), 1e6, np.float32)
    assert colours(tmp_path, Image.fromarray(flat), "flat.tif") == [(0,) * 3] * 2
    bits = Image.new("1", (2, 1))
    bits.putpixel((1, 0), 1)
    assert colours(tmp_path, bits, "bits.png") == [(0,) * 3, (255,) * 3]


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    rgba = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((255, 51, 0)):
        rgba.putpixel((x, 0), (200, 100, 0, alpha))
    mixed = [(200, 100, 0), (244, 224, 204), (255,) * 3]  # 0.2 of the colour and 0.8 of white
    assert colours(tmp_path, rgba, "rgba.png") == mixed
    grey = Image.merge("LA", [rgba.getchannel("R"), rgba.getchannel("A")])
    assert colours(tmp_path, grey, "la.png") == [(200,) * 3, (244,) * 3, (255,) * 3]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putpixel((1, 0), 1)
    assert colours(tmp_path, palette, "p.png") == [(10, 20, 30), (200, 100, 0)]
    assert colours(tmp_path, palette, "pt.png", transparency=1) == [(10, 20, 30), (255,) * 3]
    assert colours(tmp_path, palette, "p.gif", transparency=0) == [(255,) * 3, (200, 100, 0)]
    assert colours(tmp_path, Image.new("RGB", (1, 1), (9, 9, 9)), "rt.png", transparency=(9, 9, 9)) == [(255,) * 3]


def test_cmyk_as_adobe_stores_it_is_not_inverted(tmp_path: Path) -> None:
    cmyk = Image.new("RGB", (8, 8), (200, 50, 30)).convert("CMYK")
    for name in ("cmyk.jpg", "cmyk.tif"):
        assert colours(tmp_path, cmyk, name)[3] == pytest.approx((200, 50, 30), abs=4)
    assert b"Adobe" in (tmp_path / "cmyk.jpg").read_bytes()  # the marker that says inverted


def test_one_pixel_and_six_thousand(tmp_path: Path) -> None:
    for size in ((1, 1), (6000, 375), (2, 32)):
        Image.new("L", size, 7).save(tmp_path / "x.png")
        assert data.read_photograph(tmp_path / "x.png").shape == (3, size[1], size[0])


@pytest.mark.parametrize("size", [(6000, 374), (1, 17)])
def test_a_strip_is_refused_by_name(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(tmp_path / "strip.png")
    with pytest.raises(PaperlibError, match=rf"strip\.png is {size[0]}x{size[1]} px, longer than 16:1"):
        data.read_photograph(tmp_path / "strip.png")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xe0 truncated"])
def test_an_unreadable_photograph_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(PaperlibError, match=r"bad\.jpg is not a readable image .*replace or remove it"):
        data.read_photograph(path)


def test_photographs_of_one_size_are_read_into_one_tensor(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        Image.new("RGB", (6, 4), (i, 2 * i, 3 * i)).save(path)
    images = data.Photographs(paths).read_all()
    assert images.shape == (5, 3, 4, 6)
    assert images[:, :, 3, 5].tolist() == [[i, 2 * i, 3 * i] for i in range(5)]
    Image.new("RGB", (6, 5)).save(paths[3])
    with pytest.raises(PaperlibError, match=r"3\.png is 6x5 px, not 6x4 px like the first; replace or remove it"):
        data.Photographs(paths).read_all()


def test_a_subset_has_its_images_with_their_labels(tmp_path: Path) -> None:
    """Of a tensor, of photographs and of any sequence."""
    images = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    for i in range(4):
        Image.new("RGB", (2, 2), (i, i, i)).save(tmp_path / f"{i}.png")
    for kind in (images, data.Photographs([tmp_path / f"{i}.png" for i in range(4)]), list(images)):
        part = data.Split(kind, torch.arange(4)).subset(torch.tensor([3, 1]))
        assert [int(part.images[i][0, 0, 0]) for i in range(2)] == part.labels.tolist() == [3, 1]
    with pytest.raises(PaperlibError, match="4 images with 3 labels"):
        data.Split(images, torch.arange(3))
