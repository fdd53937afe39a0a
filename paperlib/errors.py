"""The one exception that carries a message meant for the user, and the wording of "no such name"."""

from collections.abc import Iterable
from difflib import get_close_matches


class PaperlibError(ValueError):
    """A mistake that the user can mend; the command line prints its message without a traceback."""


def unknown(kind: str, name: str, known: Iterable[str]) -> PaperlibError:
    """The error for a name that is not among `known`: the near names first, else all of them.

    `kind` is the noun of the message (`model`, `recipe`, `option of vgg16`).
    """
    known = sorted(known)
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return PaperlibError(f"unknown {kind} {name!r}; {hint}")
