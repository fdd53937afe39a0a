"""Schedules by hand, and an epoch that counts every image."""

import dataclasses
from math import cos, pi

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from paperlib.errors import PaperlibError
from paperlib.recipes.recipe import SCHEDULES, Recipe
from paperlib.training import epoch
from paperlib.training.epoch import Progress, make_optimizer, train_epoch
from paperlib.training.schedule import FACTORS, Schedule
from paperlib.training.state import random_state, set_random_state


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


def test_every_schedule_that_a_recipe_may_name_has_its_function() -> None:
    assert tuple(FACTORS) == SCHEDULES


def with_schedule(recipe: Recipe, name: str) -> Recipe:
    """The recipe with the name of a schedule that recipes do not have."""
    changed = dataclasses.replace(recipe, lr=0.1, epochs=10)
    object.__setattr__(changed, "schedule", name)  # it is frozen
    return changed


def test_a_schedule_without_its_function_is_refused(tiny_recipe: Recipe) -> None:
    with pytest.raises(PaperlibError, match=r"unknown schedule 'no-such'; known: milestones, one-cycle, plateau"):
        Schedule(with_schedule(tiny_recipe, "no-such"))


def test_a_new_schedule_is_a_function_and_a_name(tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FACTORS, "cosine", lambda s, progress: (1 + cos(pi * progress / s.recipe.epochs)) / 2)
    schedule = Schedule(with_schedule(tiny_recipe, "cosine"))
    assert [schedule.rate(e) for e in (0, 5, 10)] == pytest.approx([0.1, 0.05, 0.0])


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


def batches(*labels: list[int], weights: list[float]) -> list[tuple[torch.Tensor, ...]]:
    """A loader of two steps' shares, in the form of `TrainViews`."""
    return [
        (torch.zeros(len(own), 3), torch.tensor(own), torch.full((len(own),), w))
        for own, w in zip(labels, weights, strict=True)
    ]


class Slope(nn.Module):
    """Logits of 50 times a parameter for class 0 and 0 for class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([50.0, 0.0]).expand(len(x), 2) * self.scale


def test_an_epoch_counts_images_and_sets_the_rate_of_every_step(tiny_recipe: Recipe) -> None:
    """5 images in batches of 2, of which two are of class 0; a share of weight 0 is not counted."""
    loader = batches([0, 1], [2, 0], [3], [1], weights=[0.5, 0.5, 1.0, 0.0])
    schedule = make(tiny_recipe, schedule="one-cycle", epochs=10)
    net, progress = AlwaysFirst(), Progress()
    rates: list[float] = []
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    for _ in train_epoch(net, loader, optimizer, schedule, Accelerator(cpu=True), progress):  # type: ignore[arg-type]
        pass
    assert (progress.step, progress.images, progress.wrong) == (4, 5, 3)
    assert progress.loss == pytest.approx(50 * 3)
    assert rates == pytest.approx([0.1 * (step + 0.5) / 4 / 2 for step in range(4)])


def test_a_gradient_is_clipped_to_its_norm(tiny_recipe: Recipe) -> None:
    """The gradient of AlwaysFirst's scale is about 50 where class 0 is wrong."""
    for clip, found in ((0.0, 1.0 - 50.0), (5.0, 1.0 - 5.0), (80.0, 1.0 - 50.0)):
        schedule = make(tiny_recipe, schedule="plateau", clip=clip)
        net = Slope()
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        optimizer.register_step_pre_hook(lambda o, *_: o.param_groups[0].update(lr=1.0))
        list(train_epoch(net, batches([1], weights=[1.0]), optimizer, schedule, Accelerator(cpu=True), Progress()))  # type: ignore[arg-type]
        assert net.scale.item() == pytest.approx(found, abs=1e-3)


@pytest.mark.parametrize(("limit", "found"), [(0.0, 0.05), (0.06, 0.05), (0.03, 0.03)])
def test_filters_are_renormalised_after_the_step(tiny_recipe: Recipe, limit: float, found: float) -> None:
    """Two 1x1 filters at 0 see a pixel of 1 of class 1: gradients of 0.5 and -0.5, a step of 0.1."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Flatten())
    nn.init.zeros_(net[0].weight)  # type: ignore[arg-type]
    schedule = make(tiny_recipe, schedule="plateau", renormalize=limit)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    loader = [(torch.ones(1, 1, 1, 1), torch.tensor([1]), torch.ones(1))]
    list(train_epoch(net, loader, optimizer, schedule, Accelerator(cpu=True), Progress()))  # type: ignore[arg-type]
    assert net[0].weight.flatten().tolist() == pytest.approx([-found, found])  # type: ignore[operator, union-attr]


def test_a_warm_up_ends_when_the_training_error_is_below_80(
    tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ResNet, section 4.2: 0.01 until then, then on with the schedule; a check every two steps."""
    monkeypatch.setattr(epoch, "CHECK_EVERY", 2)
    schedule = make(tiny_recipe, schedule="milestones", milestones=(2,), epochs=4, warm_up_lr=0.01)
    net, rates = AlwaysFirst(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    labels = [[1, 1]] * 2 + [[1, 1, 1, 1, 0]] * 2 + [[1, 0, 1, 1]] * 2 + [[1]] * 2  # errors of 100, 80, 75, 100%
    loader = batches(*labels, weights=[1 / len(own) for own in labels])
    for _ in train_epoch(net, loader, optimizer, schedule, Accelerator(cpu=True), Progress()):  # type: ignore[arg-type]
        pass
    assert rates == pytest.approx([0.01] * 6 + [0.1] * 2)
    assert schedule.rate(2) == pytest.approx(0.01)


def test_the_random_state_goes_on() -> None:
    device = torch.device("cpu")
    state = random_state(device)
    drawn = torch.rand(3)
    set_random_state(state[0], device)
    assert torch.equal(torch.rand(3), drawn)


def test_the_state_of_a_schedule_is_whole(tiny_recipe: Recipe) -> None:
    schedule, copy = (make(tiny_recipe, schedule="plateau", patience=1, epochs=20) for _ in range(2))
    for error in [50.0, 51.0, 52.0, 53.0]:
        schedule.observe(error)
    copy = Schedule(copy.recipe, **schedule.state_dict())
    assert copy == schedule
    schedule.observe(60.0)
    copy.observe(60.0)
    assert copy.rate(5) == schedule.rate(5) == pytest.approx(0.001)
