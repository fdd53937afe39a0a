"""What the benchmarks share: how long, how much memory, on which machine."""

import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

Result = TypeVar("Result")


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median of repeated measurements, with the least and the greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def timed(run: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of processor time that `run()` takes, and its result; other programs hardly change these seconds."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def peak_bytes(run: Callable[[], object]) -> int:
    """The most bytes that PyTorch's CPU allocator held at once in `run()`, beyond those that it held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def peak_resident_mb() -> float:
    """The most memory that this process has held so far, in MB (1e6 bytes)."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def environment() -> dict[str, str | int]:
    """The machine, its threads and the version of PyTorch."""
    version = torch.__version__.split("+")[0]
    return {"machine": platform.machine(), "threads": torch.get_num_threads(), "torch": version}
