"""Data sets by name, photographs, and what a split is."""

from paperlib.data.photographs import Photographs, photograph
from paperlib.data.sets import DATASETS, folders, load
from paperlib.data.splits import Data, Split, carve, root

__all__ = ["DATASETS", "Data", "Photographs", "Split", "carve", "folders", "load", "photograph", "root"]
