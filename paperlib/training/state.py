"""The saved states of a run: all that it needs to go on after any step as if nothing had happened."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from paperlib.errors import PaperlibError
from paperlib.files import write
from paperlib.runs import read_tensors, states
from paperlib.training.folder import on_cpu


def save_state(
    folder: Path, steps: int, numbers: dict[str, Any], model: nn.Module, optimizer: Optimizer, random: Tensor
) -> None:
    """Save what is needed to go on after `steps` steps; the state before it stays too, older ones are removed.

    `numbers` is what fits in JSON; `random` (processes, n) holds the random state of each process.
    """
    tensors = {"random": random} | {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state = optimizer.state_dict()
    for index, values in state["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items() if value is not None}
    content = save(on_cpu(tensors), {"numbers": json.dumps(numbers | {"groups": state["param_groups"]})})
    write(folder / f"state-{steps:09}.safetensors", content)
    for old in states(folder)[2:]:
        old.unlink()


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the numbers of a saved state; PaperlibError where the file is broken."""
    tensors, metadata = read_tensors(path)
    if "numbers" not in metadata:
        raise PaperlibError(f"{path} is not a state of paperlib")
    return tensors, json.loads(metadata["numbers"])


def load_state(folder: Path, model: nn.Module, optimizer: Optimizer) -> tuple[dict[str, Any], Tensor | None]:
    """Restore model and optimizer from the newest state; returns its numbers and random states, or {} and None."""
    if not states(folder):
        return {}, None
    path = states(folder)[0]
    tensors, numbers = read_state(path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    try:
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        optimizer.load_state_dict({"state": state, "param_groups": numbers.pop("groups")})
    except (KeyError, RuntimeError, ValueError) as error:
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
