"""Data sets by name, photographs, sample pictures, and what a split is."""

from paperlib.data.folders import read_folders
from paperlib.data.photographs import Photographs, read_photograph
from paperlib.data.samples import sample
from paperlib.data.sets import DATASETS, load
from paperlib.data.splits import Data, Split, root, stratified_split

__all__ = ["DATASETS", "Data", "Photographs", "Split", "load", "read_folders", "read_photograph", "root",
           "sample", "stratified_split"]  # fmt: skip
