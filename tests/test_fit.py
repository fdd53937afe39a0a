"""The plain loop: a step by hand, every batch once an epoch, the end at a loss that is no number."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim.lr_scheduler import LambdaLR

from paperlib import data
from paperlib.models.resnet import SMALL, ResNet
from paperlib.training.fit import fit, random_batches


def test_two_steps_by_hand() -> None:
    """Loss (w - t)^2 with gradient 2 (w - t), rate 0.1: w = 0 -> 0.2 -> 0.36 towards t = 1."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    batches = [(torch.ones(1, 1), torch.ones(1, 1))]
    losses = fit(model, batches, torch.optim.SGD(model.parameters(), lr=0.1), epochs=2, loss_function=mse_loss)
    assert losses == pytest.approx([1.0, 0.64])
    assert model.weight.item() == pytest.approx(0.36)


def test_the_rate_of_the_scheduler_changes_after_every_step() -> None:
    """Rates 0.1, 0.05, 0.025 on the same slope of 1."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    halving = LambdaLR(optimizer, lambda step: 0.5**step)
    batches = [(torch.ones(1, 1), torch.zeros(1))] * 3
    fit(model, batches, optimizer, loss_function=lambda logits, labels: logits.sum(), scheduler=halving)
    assert model.weight.item() == pytest.approx(-0.175)


def test_an_epoch_goes_through_every_batch_in_training_mode() -> None:
    seen: list[float] = []

    class Watched(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert self.training
            seen.append(x[0, 0].item())
            return super().forward(x)

    model = Watched(1, 2).eval()
    batches = [(torch.full((4, 1), float(i)), torch.tensor([0, 1, 0, 1])) for i in range(3)]
    losses = fit(model, batches, torch.optim.SGD(model.parameters(), lr=0.0), epochs=2)
    assert seen == [0, 1, 2, 0, 1, 2]
    assert losses == pytest.approx([cross_entropy(model(x), y).item() for x, y in batches] * 2)


def test_a_loss_that_is_no_number_is_the_last_and_changes_no_weight() -> None:
    model = nn.Linear(1, 1)
    before = model.weight.item()
    values = iter([0.0, float("nan"), 0.0])
    batches = [(torch.ones(1, 1), torch.zeros(1))] * 3
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    losses = fit(model, batches, optimizer, loss_function=lambda logits, labels: logits.sum() * 0 + next(values))
    assert losses[0] == 0.0
    assert len(losses) == 2
    assert model.weight.item() == before


def test_random_batches_come_from_all_images_and_the_generator_alone() -> None:
    images, labels = torch.arange(20.0)[:, None], torch.arange(20)
    first, again = (list(random_batches(images, labels, 8, 30, torch.Generator().manual_seed(3))) for _ in range(2))
    assert all(
        torch.equal(a, b) for one, other in zip(first, again, strict=True) for a, b in zip(one, other, strict=True)
    )
    assert all(torch.equal(x[:, 0].long(), y) and len(y) == 8 for x, y in first)
    assert set(torch.cat([y for _, y in first]).tolist()) == set(range(20))


def test_a_small_resnet_learns() -> None:
    mini = data.load("fashion-mini").train
    torch.manual_seed(0)
    model = ResNet(SMALL, "basic", (1, 1, 1), 10, width=0.5)
    images = (mini.images[:, :, ::2, ::2] - 73.0) / 90.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = fit(model, random_batches(images, mini.labels, 32, 60, torch.Generator().manual_seed(0)), optimizer)
    assert sum(losses[-10:]) / 10 < 1.5 < losses[0]  # chance is ln 10 = 2.30


def test_no_bar_outside_terminals_and_notebooks(capfd: pytest.CaptureFixture[str]) -> None:
    model = nn.Linear(1, 2)
    fit(model, [(torch.ones(4, 1), torch.tensor([0, 1, 0, 1]))], torch.optim.SGD(model.parameters()), epochs=3)
    assert capfd.readouterr() == ("", "")
