"""paperlib: the networks of four papers, and what it takes to train, test and look into them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from paperlib.version import __version__

if TYPE_CHECKING:
    from paperlib.devices import device
    from paperlib.models import MODELS, build
    from paperlib.recipes import RECIPES

__all__ = ["MODELS", "RECIPES", "__version__", "build", "device"]
MODULES = {"MODELS": "models", "RECIPES": "recipes", "build": "models", "device": "devices"}


def __getattr__(name: str) -> Any:
    """Import MODELS, RECIPES, build and device when they are first used: `import paperlib` does not wait for torch."""
    if name not in MODULES:
        raise AttributeError(f"module 'paperlib' has no attribute {name!r}")
    return getattr(import_module(f"paperlib.{MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
