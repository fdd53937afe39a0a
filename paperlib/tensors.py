"""Tensors on disk: safetensors with a checksum, so that a flipped byte is noticed when they are read."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from paperlib.errors import PaperlibError
from paperlib.files import write

CHECKSUM = "sha256"  # in the metadata of the file


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, text by name as `metadata`, and the checksum of both."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = dict(metadata or {})
    write(path, save(on_cpu, text | {CHECKSUM: checksum(on_cpu, text)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, and its metadata.

    Raises PaperlibError where the file is broken or its content is not what was written. Files without a checksum,
    of an earlier version or another program, are taken as they are.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # Clones: a tensor that stays mapped keeps Windows from replacing the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
        lost = next((text for text in metadata.values() if len(text) == 64), None)  # its name may be what has changed
        expected = metadata.pop(CHECKSUM, lost)
        if expected not in (None, checksum(tensors, metadata)):
            raise OSError("its bytes have changed since they were written")
    except (OSError, SafetensorError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it and run the same command again") from error
    return tensors, metadata


def checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and bytes of contiguous CPU tensors, and over the metadata."""
    digest = sha256(repr(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
