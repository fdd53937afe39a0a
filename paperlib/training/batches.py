"""The training images of an epoch: from memory or from files, in what order, in which process, in what views."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from tqdm.auto import tqdm

from paperlib.data import Photographs, Split
from paperlib.errors import PaperlibError
from paperlib.transforms import Images, TrainView, rescale

MEMORY = 2000  # MB of decoded images that each process holds of a split; a larger one is decoded anew in every epoch
SCAN = 1024  # photographs that are checked at once
Key = tuple[int, int, float]  # epoch, index, weight
Batch = tuple[Tensor, Tensor, Tensor]  # views (N, 3, crop, crop), labels (N,), weights (N,)


class Rescaled(Sequence[Tensor]):
    """`images[i]` for i in `indices`, each with its smaller side at `side` px, decoded when asked for.

    With `threads`, those that follow are decoded ahead: for a reader that goes through them in order.
    """

    def __init__(self, images: Images, indices: Sequence[int], side: int, threads: int = 0) -> None:
        self.images, self.indices, self.side, self.threads = images, indices, side, threads
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._ahead: dict[int, Future[Tensor]] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        if self._pool is None:
            return self._load(index)
        for i in range(index, min(index + 2 * self.threads, len(self))):
            if i not in self._ahead:
                self._ahead[i] = self._pool.submit(self._load, i)
        return self._ahead.pop(index).result()

    def _load(self, index: int) -> Tensor:
        return rescale(self.images[self.indices[index]], self.side)


def fits_in_memory(images: Images, side: int) -> bool:
    """Whether the images, rescaled to `side` px, take at most MEMORY: 3 bytes a pixel, sides as 3:2."""
    return isinstance(images, Tensor) or 4.5 * side**2 * len(images) <= MEMORY * 1e6


def prepare_training_images(images: Images, unreadable: frozenset[int], side: int, device: torch.device) -> Images:
    """Training images with their smaller side at `side` px (S_max), from which S is drawn each time.

    One tensor goes to the device, where its views are made too; others are decoded once where they fit in memory.
    The `unreadable` ones become empty.

    Departs from the paper: a photograph is resampled twice, here to S_max and in its view to S, so that it is decoded
    once.
    """
    if isinstance(images, Tensor):
        return rescale(images, side).to(device)
    rescaled = Rescaled(images, range(len(images)), side)
    if not fits_in_memory(images, side):
        return rescaled
    return [torch.empty(0) if i in unreadable else rescaled[i] for i in range(len(images))]


def find_unreadable(images: Images, indices: Sequence[int], bar: bool = False) -> list[tuple[int, str]]:
    """(index, why) of each photograph among `indices` that cannot be decoded. Decodes them all, on every core."""
    if not isinstance(images, Photographs):
        return []

    def problem(index: int) -> str:
        try:
            images[index]
        except PaperlibError as error:
            return str(error)
        return ""

    unreadable: list[tuple[int, str]] = []
    progress = tqdm(total=len(indices), desc="check files", unit="image", leave=False, disable=None if bar else True)
    with ThreadPoolExecutor(cores()) as pool, progress:
        for first in range(0, len(indices), SCAN):
            part = indices[first : first + SCAN]
            unreadable += [(i, why) for i, why in zip(part, pool.map(problem, part), strict=True) if why]
            progress.update(len(part))
    return unreadable


def cores() -> int:
    """Processor cores, of those that this process may use, for each process on this machine."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, allowed // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


class EpochOrder(Sampler[list[Key]]):
    """The batches of an epoch as this process takes them: lists of (epoch, index, weight).

    Every image comes once, in an order that `seed` and `epoch` alone decide, `batch_size` to a step; the last step
    has what is left. A step's images are dealt to the processes and, in each, to the `parts` of its accumulated
    gradient; each weighs 1 / (images of the step). A part for which none is left takes an image that weighs 0: it is
    computed, as the processes wait for each other, and not counted. `unreadable` images are left out.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        process: int = 0,
        processes: int = 1,
        parts: int = 1,
        unreadable: frozenset[int] = frozenset(),
    ) -> None:
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.shares, self.all_shares = range(process * parts, (process + 1) * parts), processes * parts
        self.unreadable, self.filler = unreadable, next((i for i in range(size) if i not in unreadable), size)
        if self.filler == size:
            raise PaperlibError(f"none of the {size} training images can be read")
        self.epoch = self.start = 0  # the next epoch, and how many of its steps are done

    @property
    def steps(self) -> int:
        """Steps of a full epoch."""
        return -(-self.size // self.batch_size)

    def __len__(self) -> int:
        """Batches of a full epoch that this process takes: `parts` a step."""
        return self.steps * len(self.shares)

    def __iter__(self) -> Iterator[list[Key]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.size, generator=generator).tolist()
        for first in range(self.start * self.batch_size, self.size, self.batch_size):
            step = [i for i in order[first : first + self.batch_size] if i not in self.unreadable]
            for share in self.shares:
                keys = [(self.epoch, i, 1 / len(step)) for i in step[share :: self.all_shares]]
                yield keys or [(self.epoch, self.filler, 0.0)]


class TrainViews(Dataset[Batch]):
    """Batches of training views of a split, asked for by the keys of `EpochOrder`.

    The random numbers of image i in epoch e depend on (seed, e, i) alone: not on the batch, the process or the past.
    """

    def __init__(self, split: Split, view: TrainView, seed: int) -> None:
        self.split, self.view, self.seed = split, view, seed
        self._drawn: tuple[int, Tensor] = -1, torch.empty(0)

    def __len__(self) -> int:
        return len(self.split)

    def __getitems__(self, keys: Sequence[Key]) -> Batch | PaperlibError:
        """Views (N, 3, crop, crop), labels (N,) and weights (N,) of N keys.

        The error of an unreadable photograph is returned: raised in a worker process, only its text would arrive.
        """
        try:
            return self.batch(keys)
        except PaperlibError as error:
            return error

    def batch(self, keys: Sequence[Key]) -> Batch:
        """As `__getitems__`, but raises PaperlibError."""
        epoch, indices = keys[0][0], [i for _, i, _ in keys]
        images = self.split.images
        batch = images[indices] if isinstance(images, Tensor) else [images[i] for i in indices]
        views = self.view(batch, self._draws(epoch)[indices])
        return views, self.split.labels[indices], torch.tensor([weight for _, _, weight in keys])

    def _draws(self, epoch: int) -> Tensor:
        if self._drawn[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch + 500_009)
            self._drawn = epoch, torch.rand(len(self), self.view.draws, generator=generator)
        return self._drawn[1]


def already_a_batch(batch: Any) -> Any:
    """The batch unchanged: `TrainViews` makes batches itself. (A lambda does not travel to worker processes.)"""
    return batch


def leave_signals_to_the_run(worker: int) -> None:
    """In a worker process: ignore Ctrl-C and end at SIGTERM, instead of the handlers that it inherits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
