"""Schedules by hand, and an epoch that counts every image."""

import dataclasses

import pytest

from paperlib.recipes import Recipe
from paperlib.train import Schedule


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


def test_the_state_of_a_schedule_is_whole(tiny_recipe: Recipe) -> None:
    schedule, copy = (make(tiny_recipe, schedule="plateau", patience=1, epochs=20) for _ in range(2))
    for error in [50.0, 51.0, 52.0, 53.0]:
        schedule.observe(error)
    copy.load_state_dict(schedule.state_dict())
    assert copy == schedule
    schedule.observe(60.0)
    copy.observe(60.0)
    assert copy.rate(5) == schedule.rate(5) == pytest.approx(0.001)
