"""The commands of the command line, a file each: its options as a dataclass, and `main`, which carries it out."""
