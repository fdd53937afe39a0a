"""Transfer: folds, features, classifiers on them."""

import pytest
import torch
from torch import nn

from paperlib import build, transfer
from paperlib.errors import PaperlibError
from paperlib.transfer import Accuracy, classifier, features, fold, mean_per_class, probe

LABELS = torch.tensor([2] * 40 + [0] * 90 + [1] * 33)[torch.randperm(163, generator=torch.Generator().manual_seed(1))]


def test_a_fold_has_so_many_of_each_class_and_none_twice() -> None:
    """Section 5.2: 30 images a class to train on, up to 50 to test on."""
    train, test = fold(LABELS, 30, seed=0)
    assert LABELS[train].bincount().tolist() == [30, 30, 30]
    assert LABELS[test].bincount().tolist() == [50, 3, 10]
    assert len(torch.cat([train, test]).unique()) == len(train) + len(test)
    assert fold(LABELS, 30, seed=0)[0].equal(train)
    assert not fold(LABELS, 30, seed=1)[0].equal(train)


def test_a_class_without_test_images_is_refused() -> None:
    with pytest.raises(PaperlibError, match="class 1 has 33 images: 33 to train on leave none to test"):
        fold(LABELS, 33, seed=0)


def test_a_small_class_counts_as_much_as_a_large_one() -> None:
    labels, found = torch.tensor([0, 0, 0, 0, 1]), torch.tensor([0, 0, 0, 1, 0])
    assert mean_per_class(labels, found) == (75 + 0) / 2


def net() -> nn.Module:
    torch.manual_seed(0)
    return build("zfnet", num_classes=4, width=1 / 32, image_size=64, dropout=0.9).train()


def test_features_are_the_outputs_of_the_layers_in_evaluation() -> None:
    """Also before a ReLU that works in place: what conv3 gives out is not yet rectified."""
    model, images = net(), torch.randn(5, 3, 64, 64)
    found = features(model, ["features.conv3", "features.pool5", "classifier.relu7"], images, batch_size=2)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    model.eval()
    x = images
    for name, module in model.features.named_children():
        x = module(x.clone())
        if name in ("conv3", "pool5"):
            torch.testing.assert_close(found[f"features.{name}"], x.flatten(1))
    assert (found["features.conv3"] < 0).any()
    for name, module in model.classifier.named_children():
        x = module(x.flatten(1).clone())
        if name == "relu7":
            torch.testing.assert_close(found["classifier.relu7"], x)


@pytest.mark.parametrize("name", ["resnet20", "densenet_bc", "vgg11_lrn", "alexnet"])
def test_features_of_other_nets(name: str) -> None:
    options = {"densenet_bc": {"depth": 10, "growth_rate": 4}, "resnet20": {}}
    model = build(name, 4, **options.get(name, {"width": 0.0625, "image_size": 64, "hidden": 8})).eval()
    last = list(dict(model.named_modules()))[-1]
    images = torch.randn(3, 3, 64, 64)
    torch.testing.assert_close(features(model, [last], images, batch_size=2)[last], model(images), rtol=1e-4, atol=1e-5)


def test_an_unknown_layer_is_told_the_near_one() -> None:
    with pytest.raises(PaperlibError, match=r"unknown layer 'features.pol5'; did you mean features.pool5"):
        features(net(), ["features.pol5"], torch.zeros(1, 3, 64, 64))


def clouds(dimensions: int, distance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes of normal points around centres at some distance of each other; 163 of them."""
    generator = torch.Generator().manual_seed(0)
    centres = distance * torch.eye(3, dimensions)
    return 5 + centres[LABELS] + torch.randn(len(LABELS), dimensions, generator=generator), LABELS


@pytest.mark.parametrize("kind", transfer.KINDS)
def test_far_classes_are_told_apart_and_equal_ones_are_not(kind: transfer.Kind) -> None:
    far, near = (probe(*clouds(8, distance), 30, folds=3, kind=kind) for distance in (30.0, 0.0))
    assert far.folds == (100.0, 100.0, 100.0)
    assert 10 < sum(near.folds) / 3 < 57  # chance: 33


@pytest.mark.parametrize("kind", transfer.KINDS)
def test_the_scale_and_place_of_features_do_not_matter(kind: transfer.Kind) -> None:
    x, labels = clouds(200, 5.0)
    plain, other = (classifier(z, labels, kind).decision_function(z.numpy()) for z in (x, 40 * x + 7))
    torch.testing.assert_close(torch.from_numpy(plain), torch.from_numpy(other), rtol=0.02, atol=0.02)


def test_accuracies_are_shown_with_their_spread() -> None:
    assert str(Accuracy(30, (46.0, 48.0))) == "30 a class: 47.0 ± 1.4% (2 folds)"
    assert str(Accuracy(15, (46.0,))) == "15 a class: 46.0% (1 fold)"
