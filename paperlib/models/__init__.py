"""Every network by name, and `build`."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from paperlib.errors import PaperlibError, unknown
from paperlib.models import alexnet, densenet, resnet, vgg, zfnet
from paperlib.values import broken_rule

# A name is a row of the paper's table; the file of each paper shows its own.
MODELS: dict[str, Callable[..., nn.Module]] = {
    **alexnet.BUILDERS,  # alexnet
    **zfnet.BUILDERS,  # zfnet, zfnet_b
    **vgg.BUILDERS,  # vgg11, vgg11_lrn, vgg13, vgg13_5x5, vgg16_1x1, vgg16, vgg19
    **resnet.BUILDERS,  # resnet18 ... resnet152, plain18, plain34; small: resnet20 ... resnet1202, plain20 ... plain56
    **densenet.BUILDERS,  # densenet121 ... densenet264; small: densenet40_k12 ... densenet_bc190_k40
}


def options(name: str) -> dict[str, Any]:
    """The options of the network `name`, with their defaults; PaperlibError for an unknown name."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "num_classes"}


def build(name: str, num_classes: int = 1000, **chosen: object) -> nn.Module:
    """The network `name` with its options (`width`, `batch_norm`, `image_size`, ...), freshly initialised.

    Raises PaperlibError for an unknown name or option (with the near ones) and for a refused value.
    """
    known = options(name)
    kinds = inspect.signature(MODELS[name]).parameters
    for option, value in {"num_classes": num_classes, **chosen}.items():
        if option not in known and option != "num_classes":
            raise unknown(f"option of {name}", option, known)
        if rule := broken_rule(value, kinds[option].annotation):
            raise PaperlibError(f"{name}: {option} must {rule}, not {value!r}")
    try:
        return MODELS[name](num_classes, **chosen)
    except (ArithmeticError, RuntimeError, ValueError) as error:  # what the models refuse
        raise PaperlibError(f"{name}: {error}") from error
