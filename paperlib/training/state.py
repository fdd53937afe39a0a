"""The saved states of a run: all that it needs to go on after any step as if nothing had happened."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from paperlib.errors import PaperlibError
from paperlib.runs import check_rows, states
from paperlib.tensors import load_tensors, save_tensors
from paperlib.training.schedule import Schedule
from paperlib.values import NOT_NEGATIVE, NotNegative, broken_rule, check_fields

Number = Annotated[int, NOT_NEGATIVE]


@dataclass
class Progress:
    """How far a run is: finished epochs, steps into the next, and sums over the images that those steps have seen."""

    epoch: Number = 0
    step: Number = 0
    images: Number = 0
    wrong: Number = 0
    loss: NotNegative = 0.0
    seconds: NotNegative = 0.0

    def add(self, step: int, loss: float, wrong: int, images: int) -> None:
        """Count the steps up to `step`, with the sums over their images."""
        self.step = step
        self.loss, self.wrong, self.images = self.loss + loss, self.wrong + wrong, self.images + images


def save_state(
    folder: Path, steps: int, numbers: dict[str, Any], model: nn.Module, optimizer: Optimizer, random: Tensor
) -> None:
    """Save what is needed to go on after `steps` steps; the state before it stays too, older ones are removed.

    `numbers` is what fits in JSON; `random` (processes, n) holds the random state of each process.
    """
    tensors = {"random": random} | {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items() if value is not None}
    save_tensors(folder / f"state-{steps:09}.safetensors", tensors, {"numbers": json.dumps(numbers)})
    for old in states(folder)[2:]:
        old.unlink()


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the numbers of a saved state; PaperlibError where the file is broken."""
    tensors, metadata = load_tensors(path)
    try:
        numbers = json.loads(metadata["numbers"])
        check_fields(Progress, numbers["progress"])
        check_fields(Schedule, numbers["schedule"], besides=("recipe",))
        if rule := broken_rule(numbers.get("scaler"), dict[str, float] | None):
            raise ValueError(f"scaler must {rule}")
        check_rows(numbers.get("rows", []))
        if tensors["random"].dtype != torch.uint8 or tensors["random"].dim() != 2:
            raise ValueError("random must be bytes (processes, n)")
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("it holds infinite numbers or nan")
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} is not a state of paperlib ({error!r}); remove it") from error
    return tensors, numbers


def load_state(folder: Path, model: nn.Module, optimizer: Optimizer) -> tuple[dict[str, Any], Tensor | None]:
    """Restore model and optimizer from the newest state; returns its numbers and random states, or {} and None."""
    if not states(folder):
        return {}, None
    path = states(folder)[0]
    tensors, numbers = read_state(path)
    state: dict[int, dict[str, Tensor]] = {}
    try:
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        parameters = list(model.parameters())
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                if tensor.shape != parameters[int(index)].shape:
                    raise ValueError(f"size mismatch for {name}: {tuple(tensor.shape)}")
                state.setdefault(int(index), {})[key] = tensor
        # The recipe, which is the same, gives the values of the parameter groups.
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (IndexError, RuntimeError, ValueError) as error:
        raise PaperlibError(f"{path} is the state of another network ({error}); remove it") from error
    return numbers, tensors["random"]


def set_broken_states_aside(folder: Path, log: Callable[[str], None]) -> None:
    """Rename states newer than the first that can be read to .broken, and log it. PaperlibError if none can."""
    for newer, path in enumerate(states(folder)):
        try:
            read_state(path)
        except PaperlibError:
            continue
        for broken in states(folder)[:newer]:
            broken.rename(broken.with_suffix(".broken"))
            log(f"{broken} cannot be read: it is set aside as .broken, and the run goes on from the state before it")
        return
    if states(folder):
        raise PaperlibError(f"no state in {folder} can be read; remove the folder to begin anew")


def random_state(device: torch.device) -> Tensor:
    """The state of the generators that dropout draws from, bytes (1, n)."""
    generators = [torch.get_rng_state()]
    if device.type != "cpu":
        generators.append(getattr(torch, device.type).get_rng_state())
    return torch.cat(generators)[None]


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Take on a state (n,) that `random_state` gave on a device of this type."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size].clone())  # copies: PyTorch reads from where the storage begins, not the view
    if device.type != "cpu":
        getattr(torch, device.type).set_rng_state(state[size:].clone())
