"""Posteriors on disk, so that fusing nets, or protocols of one net, needs no second pass over the images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from paperlib.errors import PaperlibError
from paperlib.evaluate import Errors, errors
from paperlib.files import write


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one net under one protocol said of the images of one split."""

    run: str
    protocol: str
    scales: tuple[int, ...]
    data: str
    split: str
    classes: tuple[str, ...]
    seconds: float
    posteriors: Tensor  # (N, classes)
    labels: Tensor  # (N,)

    @property
    def errors(self) -> Errors:
        """The errors counted from the posteriors, and the seconds that the pass took."""
        count = len(self.labels)
        top1, top5 = (100 * int(errors(self.posteriors, self.labels, k).sum()) / count for k in (1, 5))
        return Errors(top1, top5, count, self.seconds)


def same_images(first: Pass, other: Pass) -> None:
    """Raise PaperlibError, naming each difference, unless both are of the same images in the same order."""
    wrong = [
        f"{name}: {getattr(first, name)} and {getattr(other, name)}"
        for name in ("data", "split")
        if getattr(first, name) != getattr(other, name)
    ]
    if first.classes != other.classes:
        wrong.append(f"classes: {_some(first.classes)} and {_some(other.classes)}")
    if len(first.labels) != len(other.labels):
        wrong.append(f"images: {len(first.labels):,} and {len(other.labels):,}")
    elif not torch.equal(first.labels, other.labels):
        wrong.append(f"labels: {int((first.labels != other.labels).sum()):,} of {len(first.labels):,} differ")
    if wrong:
        raise PaperlibError(f"{first.run} and {other.run} cannot be fused ({'; '.join(wrong)})")


def _some(classes: Sequence[str]) -> str:
    return f"{len(classes)} ({', '.join(classes[:3])} ...)"


def fusion(passes: Sequence[Pass]) -> Pass:
    """The mean of the posteriors (VGG, section 4.4) as a pass: all scales and seconds together, the first's names."""
    for other in passes[1:]:
        same_images(passes[0], other)
    mean = torch.stack([p.posteriors for p in passes]).mean(dim=0)
    scales = tuple(sorted({q for p in passes for q in p.scales}))
    return replace(passes[0], posteriors=mean, seconds=sum(p.seconds for p in passes), scales=scales)


def save(path: Path, passes: Sequence[Pass]) -> None:
    """Write passes over the same images to one safetensors file. PaperlibError where that cannot be."""
    about = [{k: v for k, v in vars(p).items() if not isinstance(v, Tensor)} for p in passes]
    tensors = {f"posteriors.{i}": p.posteriors.contiguous() for i, p in enumerate(passes)}
    tensors["labels"] = passes[0].labels.contiguous()
    write(path, to_bytes(tensors, {"passes": json.dumps(about)}))


def load(path: Path) -> list[Pass]:
    """The passes in a file that `save` wrote; PaperlibError where it is broken or another file."""
    try:
        with safe_open(path, framework="pt") as file:
            about: list[dict[str, Any]] = json.loads((file.metadata() or {})["passes"])
            labels = file.get_tensor("labels")
            tensors = [file.get_tensor(f"posteriors.{i}") for i in range(len(about))]
        lists = ("scales", "classes")
        return [
            Pass(**a | {name: tuple(a[name]) for name in lists}, posteriors=posteriors, labels=labels)
            for a, posteriors in zip(about, tensors, strict=True)
        ]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} holds no posteriors of paperlib evaluate --save ({error})") from error
