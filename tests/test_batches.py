"""The order of an epoch, the shares of the processes, and the views."""

import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paperlib import data
from paperlib.errors import PaperlibError
from paperlib.training import batches
from paperlib.training.batches import EpochOrder, Rescaled, TrainViews, prepare_training_images
from paperlib.transforms import TrainView

from .conftest import tiny_data


def test_every_epoch_visits_every_image_once_in_its_own_order() -> None:
    order = EpochOrder(20, 6, seed=3)
    first = [key for batch in order for key in batch]
    order.epoch = 1
    second = [key for batch in order for key in batch]
    assert sorted(i for _, i, _ in first) == sorted(i for _, i, _ in second) == list(range(20))
    assert [i for _, i, _ in first] != [i for _, i, _ in second]
    assert {e for e, _, _ in second} == {1}
    assert [key for batch in EpochOrder(20, 6, seed=3) for key in batch] == first


@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    processes=st.integers(1, 4),
    parts=st.integers(1, 3),
    start=st.integers(0, 3),
    bad=st.frozensets(st.integers(1, 39), max_size=8),
)
def test_the_shares_of_a_step_are_the_step(
    size: int, batch_size: int, processes: int, parts: int, start: int, bad: frozenset[int]
) -> None:
    """However many processes and parts: each good image counts once, in the step where one process alone has it."""

    def steps(processes: int, parts: int) -> list[list[torch.Tensor]]:
        orders = [EpochOrder(size, batch_size, 0, p, processes, parts, bad) for p in range(processes)]
        for order in orders:
            order.start = start
        shares = [list(order) for order in orders]
        assert {len(s) for s in shares} == {max(0, orders[0].steps - start) * parts}  # nobody waits for a process
        assert all(len(order) == order.steps * parts for order in orders)
        found = []
        for step in range(len(shares[0]) // parts):
            mine = [batch for s in shares for batch in s[step * parts : (step + 1) * parts]]
            counted = [[key for key in batch if key[2] > 0] for batch in mine]
            assert max(map(len, counted)) - min(map(len, counted)) <= 1
            assert all(mine)  # a net takes no empty batch
            found.append(sorted(key for batch in counted for key in batch))
        return found

    together = steps(processes, parts)
    assert together == steps(1, 1)
    for keys in together:
        assert not keys or sum(weight for _, _, weight in keys) == pytest.approx(1)
    if start == 0:
        assert Counter(i for keys in together for _, i, _ in keys) == Counter(set(range(size)) - bad)


def test_a_view_depends_on_seed_epoch_and_index_alone() -> None:
    mini = data.load("fashion-mini")
    view = TrainView((28, 36), 24, True, (0.0,) * 3, (1.0,) * 3)

    def one(seed: int, epoch: int, company: list[int]) -> torch.Tensor:
        keys = [(epoch, i, 1.0) for i in [*company, 7]]
        return TrainViews(mini.val, view, seed).__getitems__(keys)[0][-1]

    assert torch.equal(one(0, 2, []), one(0, 2, [3, 4, 5]))
    assert not torch.equal(one(0, 2, []), one(0, 3, []))
    assert not torch.equal(one(0, 2, []), one(1, 2, []))


def test_photographs_are_prepared_at_the_largest_side_and_unreadable_ones_are_empty() -> None:
    images = tiny_data(False).train.images
    found = prepare_training_images(images, frozenset({3}), 38, torch.device("cpu"))
    assert isinstance(found, list)
    assert [i for i, image in enumerate(found) if image.numel() == 0] == [3]
    assert {min(image.shape[1:]) for image in found if image.numel()} == {38}
    assert isinstance(
        prepare_training_images(torch.zeros(4, 3, 28, 28, dtype=torch.uint8), frozenset(), 28, torch.device("cpu")),
        torch.Tensor,
    )


def test_more_than_memory_holds_is_made_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    images = tiny_data(False).train.images
    small = prepare_training_images(images, frozenset(), 38, torch.device("cpu"))
    monkeypatch.setattr(batches, "MEMORY", 0.01)
    large = prepare_training_images(images, frozenset(), 38, torch.device("cpu"))
    assert isinstance(large, Rescaled)
    assert all(torch.equal(a, b) for a, b in zip(small, large, strict=True))
    ahead = Rescaled(images, range(0, 50, 3), 38, threads=2)
    assert all(torch.equal(ahead[i], large[3 * i]) for i in [*range(len(ahead)), 2])


def test_where_no_image_can_be_read_that_is_said() -> None:
    with pytest.raises(PaperlibError, match="none of the 3 training images can be read"):
        EpochOrder(3, 2, seed=0, unreadable=frozenset(range(3)))


def test_photographs_are_looked_through_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    waiting: list[int] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *given, **named):
            waiting.append(self._work_queue.qsize())
            return super().submit(*given, **named)

    monkeypatch.setattr(batches, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(batches, "SCAN", 4)
    images = data.Photographs([tmp_path / f"{i}.jpg" for i in range(30)])
    assert [i for i, _ in batches.find_unreadable(images, range(1, 30, 2))] == list(range(1, 30, 2))
    assert max(waiting) < 4


def test_views_travel_to_worker_processes() -> None:
    views = TrainViews(tiny_data(False).train, TrainView((34, 40), 32, True, (0.0,) * 3, (1.0,) * 3), 0)
    there = pickle.loads(pickle.dumps(views))
    assert torch.equal(there.__getitems__([(1, 5, 1.0)])[0], views.__getitems__([(1, 5, 1.0)])[0])
