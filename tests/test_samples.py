"""Pictures of scikit-image as the notebooks take them."""

import sys

import pytest
import torch

from paperlib import data
from paperlib.errors import PaperlibError


def test_a_picture_is_uint8_rgb_and_a_grey_one_has_three_equal_channels() -> None:
    pytest.importorskip("skimage")
    coffee, coins, pair = (data.sample(name) for name in ("coffee", "coins", "stereo_motorcycle"))
    assert coffee.shape == (3, 400, 600)
    assert {picture.dtype for picture in (coffee, coins, pair)} == {torch.uint8}
    assert torch.equal(coins[0], coins[2])
    assert coins.shape == (3, 303, 384)
    assert pair.shape == (3, 500, 741)


def test_what_there_is_not_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    with pytest.raises(PaperlibError, match="no picture 'cofee'"):
        data.sample("cofee")
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(PaperlibError, match="pip install scikit-image"):
        data.sample("coffee")
