"""paperlib: the networks of four papers, and what it takes to train, test and look into them."""

from paperlib.devices import device
from paperlib.models import MODELS, build
from paperlib.recipes import RECIPES
from paperlib.version import __version__

__all__ = ["MODELS", "RECIPES", "__version__", "build", "device"]
