"""Photographs to look at a model with: those that scikit-image comes with."""

import torch
from torch import Tensor

from paperlib.errors import PaperlibError


def sample(name: str) -> Tensor:
    """A picture of scikit-image by name (`astronaut`, `coffee`, ...) as uint8 RGB (3, H, W).

    Grey pictures get three equal channels; of a stereo pair it is the left one. Raises PaperlibError where
    scikit-image is not installed or has no such picture.
    """
    try:
        from skimage import data as pictures

        picture = getattr(pictures, name)()
    except ImportError as error:
        raise PaperlibError(f"sample pictures need a package ({error}): pip install scikit-image") from error
    except AttributeError as error:
        raise PaperlibError(f"scikit-image has no picture {name!r}") from error
    image = torch.tensor(picture[0] if isinstance(picture, tuple) else picture)
    return image.expand(3, -1, -1) if image.dim() == 2 else image[..., :3].permute(2, 0, 1)
