"""The command line: paperlib COMMAND, each in a file of `paperlib.commands` that is loaded when it is called."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from paperlib.errors import PaperlibError, unknown
from paperlib.version import __version__

COMMANDS = {
    "list": "Print the models, recipes and data sets.",
    "train": "Train a recipe, or go on with a run that was stopped.",
    "evaluate": "Count the errors of finished runs, alone and fused.",
    "visualize": "Draw what a network sees: deconvnet, occlusion.",
    "transfer": "Train a classifier on the features of a run, for other data.",
    "data": "Download and check a data set.",
}
EXAMPLES = """examples:
  paperlib train vgg-mini
  paperlib evaluate runs/vgg-mini --protocol dense
  paperlib evaluate --help"""


def main(args: Sequence[str] | None = None) -> int:
    """Carry out a command; returns the exit status: 0, or 2 where the user's words or files are at fault."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the console cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    command, *rest = (sys.argv[1:] if args is None else args) or ["--help"]
    try:
        try:
            carry_out(command, rest)
        finally:
            sys.stdout.flush()  # a closed pipe is noticed here, not when Python ends
    except PaperlibError as error:
        print(f"paperlib: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of `paperlib list | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell says of a command that a closed pipe ended
    except KeyboardInterrupt:
        print("paperlib: stopped" + "; the same command goes on" * (command == "train"), file=sys.stderr)
        return 130
    return 0


def carry_out(command: str, args: Sequence[str]) -> None:
    """The help, the version, or a command with its arguments."""
    if command in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())
        print(f"usage: paperlib COMMAND [--help]\n\n{lines}\n\n{EXAMPLES}\n\n  --version  {__version__}")
    elif command == "--version":
        print(__version__)
    elif command in COMMANDS:
        import_module(f"paperlib.commands.{command}").main(args)
    else:
        raise unknown("command", command, COMMANDS)
