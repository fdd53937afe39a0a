"""The training images of an epoch: from memory or from files, in what order, in whose share, in what views."""

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

MEMORY = 2e9  # bytes of decoded images that each process keeps of a split; a larger one is decoded anew in every epoch
SCAN = 1024  # photographs that wait at once to be looked through
Key = tuple[int, int, float]  # epoch, index, weight
Batch = tuple[Tensor, Tensor, Tensor]  # views, labels, weights


class Rescaled(Sequence[Tensor]):
    """`images[i]` for i in `chosen`, each with its smaller side at `side` px, made when asked for.

    With `threads`, those that follow are made ahead: for a reader that goes through them in order.
    """

    def __init__(self, images: Images, chosen: Sequence[int], side: int, threads: int = 0) -> None:
        self.images, self.chosen, self.side, self.threads = images, chosen, side, threads
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._ahead: dict[int, Future[Tensor]] = {}

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        if self._pool is None:
            return rescale(self.images[self.chosen[index]], self.side)
        for i in range(index, min(index + 2 * self.threads, len(self))):
            if i not in self._ahead:
                self._ahead[i] = self._pool.submit(lambda i: rescale(self.images[self.chosen[i]], self.side), i)
        return self._ahead.pop(index).result()


def fits(images: Images, side: int) -> bool:
    """Whether the images, rescaled to `side`, may be kept in memory: 3 bytes a pixel, taken as 3:2 in shape."""
    return isinstance(images, Tensor) or 4.5 * side**2 * len(images) <= MEMORY


def kept(images: Images, bad: frozenset[int], side: int, device: torch.device) -> Images:
    """Training images with their smaller side at `side` (S_max), from which S is drawn each time.

    Those that come as one tensor lie on the device, where their views are made too; others are decoded once where
    they fit in memory. The `bad` ones are empty.
    """
    if isinstance(images, Tensor):
        return rescale(images, side).to(device)
    made = Rescaled(images, range(len(images)), side)
    return [made[i] if i not in bad else torch.empty(0) for i in made.chosen] if fits(images, side) else made


def unreadable(images: Images, chosen: Sequence[int], threads: int, bar: bool = False) -> list[tuple[int, str]]:
    """(index, what is wrong) of each photograph among `chosen` that cannot be decoded. Decodes them all."""

    def wrong(index: int) -> str:
        try:
            images[index]
        except PaperlibError as error:
            return str(error)
        return ""

    if not isinstance(images, Photographs):
        return []
    found: list[tuple[int, str]] = []
    look = tqdm(total=len(chosen), desc="look for bad files", unit="image", leave=False, disable=None if bar else True)
    with ThreadPoolExecutor(max(1, threads)) as pool, look:
        for first in range(0, len(chosen), SCAN):
            part = chosen[first : first + SCAN]
            found += [(i, message) for i, message in zip(part, pool.map(wrong, part), strict=True) if message]
            look.update(len(part))
    return found


class EpochOrder(Sampler[list[Key]]):
    """The batches of an epoch as this process takes them: lists of (epoch, index, weight).

    Every image comes once, in an order that `seed` and `epoch` alone decide, `batch_size` to a step, and the last step
    has what is left. A step's images are dealt to the processes and, in each, to the `parts` of its accumulated
    gradient, one after the other; each weighs 1 / (images of the step). A share for which none is left takes an image
    that weighs 0: it is computed, as the processes wait for each other, and not counted. `bad` images are left out.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        process: int = 0,
        processes: int = 1,
        parts: int = 1,
        bad: frozenset[int] = frozenset(),
    ) -> None:
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.shares = range(process * parts, (process + 1) * parts), processes * parts
        self.bad, self.filler = bad, next((i for i in range(size) if i not in bad), size)
        if self.filler == size:
            raise PaperlibError(f"none of the {size} training images can be read")
        self.epoch = self.start = 0  # the epoch to come, and the steps of it that are done

    @property
    def steps(self) -> int:
        """Steps of a whole epoch."""
        return -(-self.size // self.batch_size)

    def __len__(self) -> int:
        """Batches of a whole epoch that this process takes: `parts` a step."""
        return self.steps * len(self.shares[0])

    def __iter__(self) -> Iterator[list[Key]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.size, generator=generator).tolist()
        own, shares = self.shares
        for first in range(self.start * self.batch_size, self.size, self.batch_size):
            step = [i for i in order[first : first + self.batch_size] if i not in self.bad]
            for share in own:
                keys = [(self.epoch, i, 1 / len(step)) for i in step[share::shares]]
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

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Views (N, 3, crop, crop), labels (N,) and weights (N,) of N keys."""
        epoch, indices = keys[0][0], [i for _, i, _ in keys]
        images = self.split.images
        chosen = images[indices] if isinstance(images, Tensor) else [images[i] for i in indices]
        views = self.view(chosen, self._draws(epoch)[indices])
        return views, self.split.labels[indices], torch.tensor([weight for _, _, weight in keys])

    def _draws(self, epoch: int) -> Tensor:
        if self._drawn[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch + 500_009)
            self._drawn = epoch, torch.rand(len(self), self.view.draws, generator=generator)
        return self._drawn[1]


def whole(batch: Any) -> Any:
    """The batch as it is: `TrainViews` makes whole batches. (A lambda does not travel to worker processes.)"""
    return batch


def own_signals(worker: int) -> None:
    """A worker process leaves Ctrl-C to the run and ends at SIGTERM; the handlers it inherits would only take notes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
