"""Counting errors over images, and predictors made of predictors."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from paperlib.evaluate import average, errors, evaluate, mirrored, paired


def table(posteriors: Tensor):
    """A predictor that looks the posterior up by the image's first pixel."""
    return lambda images: torch.stack([posteriors[int(image[0, 0, 0])] for image in images])


def numbered(count: int) -> list[Tensor]:
    return [torch.full((3, 2, 2), i, dtype=torch.uint8) for i in range(count)]


def test_top_k_by_hand() -> None:
    posteriors = torch.tensor([[0.1, 0.2, 0.3, 0.25, 0.05, 0.1], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]])
    labels = torch.tensor([3, 0])
    assert errors(posteriors, labels, 1).tolist() == [True, False]
    assert errors(posteriors, labels, 2).tolist() == [False, False]
    assert errors(posteriors, torch.tensor([4, 0]), 5).tolist() == [True, False]  # the least probable of six
    assert errors(posteriors[:, :3], torch.tensor([0, 0]), 5).tolist() == [False, False]  # fewer classes than k


def test_errors_are_counted_over_images_not_averaged_over_batches() -> None:
    """5 images in batches of 2: the lone last one weighs as much as the others, not as a batch."""
    posteriors = torch.eye(7)[torch.tensor([0, 1, 2, 3, 0])]
    labels = torch.tensor([0, 1, 2, 3, 6])
    found = evaluate(table(posteriors), numbered(5), labels, memory=24e-6)  # two images of 12 bytes
    assert found.images == 5
    assert found.top1 == pytest.approx(20.0)


@pytest.mark.parametrize(("memory", "wanted"), [(24e-6, [2, 2, 1]), (1e-9, [1] * 5), (1, [5])])
def test_no_more_images_are_decoded_than_the_memory_holds(memory: float, wanted: list[int]) -> None:
    """Images of 12 bytes; one always goes."""
    seen: list[int] = []

    def predict(images: Sequence[Tensor]) -> Tensor:
        seen.append(len(images))
        return torch.ones(len(images), 2) / 2

    kept: list[Tensor] = []
    evaluate(predict, numbered(5), torch.zeros(5, dtype=torch.long), memory=memory, keep=kept.append)
    assert seen == wanted == [len(k) for k in kept]


def test_mirrored_averages_the_posteriors_of_image_and_mirror_image() -> None:
    image = torch.tensor([[[0, 1]]] * 3, dtype=torch.uint8)
    posteriors = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    torch.testing.assert_close(mirrored(table(posteriors))([image]), torch.tensor([[0.6, 0.4]]))


def test_average_is_the_mean_of_posteriors() -> None:
    a, b, c = (table(torch.tensor([p])) for p in ([1.0, 0.0], [0.2, 0.8], [0.0, 1.0]))
    torch.testing.assert_close(average(a, b, c)(numbered(1)), torch.tensor([[0.4, 0.6]]))
    with pytest.raises(ValueError, match="at least one"):
        average()


def test_a_paired_difference_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard deviation 1; t(2, 0.975) = 4.303."""
    mean, half = paired([10.0, 20.0, 30.0], [11.0, 22.0, 33.0])
    assert mean == pytest.approx(2)
    assert half == pytest.approx(4.303 / 3**0.5)
    assert paired([1.0, 5.0], [1.0, 5.0]) == (0, 0)
    with pytest.raises(ValueError, match="2 to 10 pairs, not 1"):
        paired([1.0], [2.0])
