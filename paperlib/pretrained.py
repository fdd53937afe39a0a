"""The weights that torchvision publishes."""

from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from paperlib.errors import PaperlibError, unknown
from paperlib.models import build, densenet, resnet, vgg


def load_pretrained(name: str, file: str | Path | None = None) -> nn.Module:
    """The model `name` with the weights that torchvision publishes (IMAGENET1K_V1), in evaluation mode.

    They are read from `file` (.pth or .safetensors), or downloaded once and their hash checked; no code in them runs.
    They want views of mean (123.675, 116.28, 103.53) and std (58.395, 57.12, 57.375). Raises PaperlibError for a
    name without weights, without a connection, and where the file holds other weights.
    """
    there = torchvision.models.list_models()
    papers = {n: paper for paper in (vgg, resnet, densenet) for n in paper.BUILDERS if n in there}
    if name not in papers:
        raise unknown("model with published weights", name, papers)
    theirs: dict[str, Any] = {"shortcut": "B", "stride_on": "3x3"} if papers[name] is resnet else {}
    model = build(name, **theirs)
    if file is not None and Path(file).suffix != ".safetensors" and torch.__version__ < "2.10":
        # CVE-2025-32434 and CVE-2026-24747: there a .pth file can run code in spite of weights_only
        advice = "take PyTorch 2.10 or later, or a .safetensors file"
        raise PaperlibError(f"{file} is not read: with PyTorch {torch.__version__} it could run code; {advice}")
    safely: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        if file is None:
            weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
            state = weights.get_state_dict(check_hash=True, **safely)
        else:
            state = load_file(file) if Path(file).suffix == ".safetensors" else torch.load(file, **safely)
        papers[name].load_torchvision_state(model, state)
    except Exception as error:  # the readers of three formats and the network raise whatever they like
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if file is None:
            advice = f"offline, give a file that holds them: load_pretrained({name!r}, FILE)"
            raise PaperlibError(f"cannot download the weights of {name} ({reason}); {advice}") from error
        raise PaperlibError(f"{file} does not hold torchvision's weights of {name} ({reason})") from error
    return model.eval()
