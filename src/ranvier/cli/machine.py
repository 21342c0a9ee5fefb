"""What `ranvier doctor` says of the machine: caches, threads, measured ceilings, what lies idle."""

from __future__ import annotations

import os
from pathlib import Path

import llvmlite.binding as llvm

from ranvier.backends.native.ceilings import find_ceilings
from ranvier.backends.native.target import Target, find_target
from ranvier.backends.native.workers import available_workers, chosen_workers
from ranvier.cli.cache import code_cache
from ranvier.foundation.settings import read_settings

#: Where Linux describes the caches of the first processor.
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
#: Instructions that programs of float32 and float64 have no use for, by LLVM's names.
OTHER_ARITHMETIC = {
    "amx-bf16": "AMX tiles",
    "amx-int8": "AMX tiles",
    "avx512bf16": "AVX-512 for bfloat16",
    "avx512fp16": "AVX-512 for float16",
    "avx512vnni": "AVX-512 for int8",
}


def caches(folder: Path = CACHES) -> str:
    """Sizes of the caches, as the system tells them."""
    found = []
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "unknown"


def threads() -> str:
    """How many workers programs use, and why."""
    chosen = chosen_workers(None)
    if read_settings().threads is not None:
        return f"{chosen} (RANVIER_THREADS)"
    return f"{chosen} (all that this process may use)"


def speed() -> dict[str, str]:
    """The measured ceilings of one processor, in words."""
    ceilings = find_ceilings(find_target())
    found = {
        f"multiply-adds, {dtype}": f"{rate / 1e9:.0f} GFLOP/s"
        for dtype, rate in ceilings.operations.items()
    }
    for size, rate in ceilings.copies.items():
        shown = f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
        found[f"copying {shown}"] = f"{rate / 1e9:.0f} GB/s read and written"
    return found


def idle() -> dict[str, str]:
    """What this machine has that programs do not use, and why."""
    target, features = find_target(), llvm.get_host_cpu_features()
    return {**_instructions(target, features), **_processors(), **_elsewhere(target)}


def _instructions(target: Target, features: dict[str, bool]) -> dict[str, str]:
    found = {}
    limit = read_settings().features
    if limit != "native":
        found["wider vectors"] = f"RANVIER_CPU is {limit}"
    elif features.get("avx512f", False) and target.vector_bytes < 64:
        found["AVX-512"] = "the processor has only a part of F, VL, BW and DQ"
    for name, what in OTHER_ARITHMETIC.items():
        if features.get(name, False):
            found[what] = "programs compute in float32 and float64"
    return found


def _processors() -> dict[str, str]:
    everything, available, chosen = os.cpu_count() or 1, available_workers(), chosen_workers(None)
    found = {}
    if available < everything:
        why = "the affinity of this process, or the quota of its container"
        found[_count(everything - available)] = why
    if chosen < available:
        found[f"{_count(available - chosen)} more" if found else _count(available - chosen)] = (
            "RANVIER_THREADS"
        )
    return found


def _count(number: int) -> str:
    return "1 processor" if number == 1 else f"{number} processors"


def _elsewhere(target: Target) -> dict[str, str]:
    found = {}
    why = code_cache()["not used"]
    if why is not None:
        found["a folder for compiled code"] = why
    if not target.x86:
        found["proof on this processor"] = "its kernels are generated, but were never run by us"
    elif target.vector_bytes == 16:
        found["fused multiply-adds"] = "without AVX2 they are calls of a function, and slow"
    return found
