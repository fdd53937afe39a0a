"""Schedules by hand, and an epoch that counts every image."""

import dataclasses

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from paperlib.recipes import Recipe
from paperlib.train import Schedule, make_optimizer, train_epoch


def make(tiny_recipe: Recipe, **values: object) -> Schedule:
    return Schedule(dataclasses.replace(tiny_recipe, lr=0.1, **values))


def test_plateau_divides_by_ten_when_the_validation_error_stops_falling(tiny_recipe: Recipe) -> None:
    schedule = make(tiny_recipe, schedule="plateau", patience=1, epochs=20)
    rates = []
    for error in [50.0, 40.0, 41.0, 40.0, 30.0, 30.0, 30.0, 20.0]:
        rates.append(schedule.rate(len(rates)))
        schedule.observe(error)
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001])


def test_milestones_divide_by_ten(tiny_recipe: Recipe) -> None:
    schedule = make(tiny_recipe, schedule="milestones", milestones=(2, 4), epochs=6)
    assert [schedule.rate(e) for e in (0, 1.99, 2, 3.5, 4, 5.9)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_one_cycle_rises_for_a_fifth_and_falls_to_zero(tiny_recipe: Recipe) -> None:
    schedule = make(tiny_recipe, schedule="one-cycle", epochs=10)
    assert [schedule.rate(e) for e in (0, 1, 2, 6, 10)] == pytest.approx([0, 0.05, 0.1, 0.05, 0])


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_of_sgd_by_hand(tiny_recipe: Recipe, nesterov: bool) -> None:
    """v = 0.9 v + g; w -= lr v, or with Nesterov lr (g + 0.9 v); g is the gradient, here 1, plus 5e-4 w."""
    recipe = dataclasses.replace(tiny_recipe, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=nesterov)
    net = nn.Linear(1, 1, bias=False).double()
    w, v = net.weight.item(), 0.0
    optimizer = make_optimizer(net, recipe)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.ones(1, 1, dtype=torch.float64)).sum().backward()
        optimizer.step()
        g = 1 + 5e-4 * w
        v = 0.9 * v + g
        w -= 0.1 * (g + 0.9 * v if nesterov else v)
    assert net.weight.item() == pytest.approx(w, abs=1e-12)


class AlwaysFirst(nn.Module):
    """Logits of 50 for class 0 and 0 for three others, times a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([50.0, 0.0, 0.0, 0.0]).expand(len(x), 4) * (1 + 0 * self.scale)


def test_an_epoch_counts_images_and_sets_the_rate_of_every_step(tiny_recipe: Recipe) -> None:
    """5 images in batches of 2, of which two are of class 0."""
    loader = DataLoader(TensorDataset(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 3])), batch_size=2)
    schedule = make(tiny_recipe, schedule="one-cycle", epochs=10)
    net = AlwaysFirst()
    rates: list[float] = []
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    loss, error = train_epoch(0, net, loader, optimizer, schedule, Accelerator(cpu=True))
    assert error == pytest.approx(60.0)
    assert loss == pytest.approx(50 * 3 / 5)
    assert rates == pytest.approx([0.1 * (step + 0.5) / 3 / 2 for step in range(3)])


def test_the_state_of_a_schedule_is_whole(tiny_recipe: Recipe) -> None:
    schedule, copy = (make(tiny_recipe, schedule="plateau", patience=1, epochs=20) for _ in range(2))
    for error in [50.0, 51.0, 52.0, 53.0]:
        schedule.observe(error)
    copy.load_state_dict(schedule.state_dict())
    assert copy == schedule
    schedule.observe(60.0)
    copy.observe(60.0)
    assert copy.rate(5) == schedule.rate(5) == pytest.approx(0.001)
