"""What this machine is and what it can do at most: name, instruction set, multiply-adds, bandwidth.

The ceiling is measured with code generated here by llvmlite: independent chains of vector fused
multiply-adds that never leave the registers. Run `python benchmarks/machine.py` to see the figures.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LATENCY_CHAINS = 12  # two units of four cycles need 8; 12 leave room, and fit 16 registers
CALIBRATION_TURNS = 100_000
COPY_BYTES = (16 << 10, 256 << 10, 1 << 20, 8 << 20, 64 << 20, 512 << 20)

_ENGINES: list[llvm.ExecutionEngine] = []


@dataclass(frozen=True)
class Machine:
    """The processor as the operating system and LLVM name it.

    Attributes:
        processor: the model name.
        llvm_name: the name under which LLVM generates code for it.
        instruction_set: the widest vector instructions that LLVM may use.
        lanes: float32 numbers in one vector.
        cores: cores that this process may use.
        caches: size of each level of cache, as the operating system reports it.
        system: operating system and its version.
        llvmlite: version of llvmlite.
    """

    processor: str
    llvm_name: str
    instruction_set: str
    lanes: int
    cores: int
    caches: dict[str, str]
    system: str
    llvmlite: str


def describe() -> Machine:
    """Return what this machine is.

    >>> describe().lanes in (4, 8, 16)
    True
    """
    return Machine(
        processor=_processor_name(),
        llvm_name=llvm.get_host_cpu_name(),
        instruction_set=_instruction_set()[0],
        lanes=_instruction_set()[1],
        cores=usable_cores(),
        caches=_caches(),
        system=f"{platform.system()} {platform.release()}",
        llvmlite=llvmlite.__version__,
    )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fma_samples(threads: int = 1, seconds: float = 0.02, repeats: int = 5) -> list[float]:
    """Return GFLOP/s of independent float32 multiply-adds in registers, measured `repeats` times.

    Args:
        threads: how many threads compute at once; their rates are added.
        seconds: length of one measurement, about.
        repeats: how often to measure.

    >>> min(fma_samples(seconds=0.001, repeats=2)) > 0
    True
    """
    chains, lanes = _compiled("chains"), _instruction_set()[1]
    buffers = [np.full(lanes, 1e-3, np.float32) for _ in range(threads)]
    turns = CALIBRATION_TURNS
    once = _time_of(lambda: chains(buffers[0].ctypes.data, buffers[0].ctypes.data, 1, turns))
    turns = max(turns, int(turns * seconds / once))
    flops = turns * LATENCY_CHAINS * lanes * 2

    def rate(buffer: Floats) -> float:
        buffer[:] = 1e-3
        address = buffer.ctypes.data
        return flops / _time_of(lambda: chains(address, address, 1, turns)) / 1e9

    with ThreadPoolExecutor(threads) as pool:  # ctypes lets the other threads run meanwhile
        return [sum(pool.map(rate, buffers)) for _ in range(repeats)]


def copy_bandwidth(size: int, seconds: float = 0.05) -> float:
    """Return GB/s, read and written together, of copying within a working set of `size` bytes.

    >>> copy_bandwidth(16 << 10, seconds=0.001) > 0
    True
    """
    copy, lanes = _compiled("copy"), _instruction_set()[1]
    vectors = size // 8 // lanes
    source = np.ones(vectors * lanes, np.float32)
    target = np.zeros_like(source)
    addresses = (source.ctypes.data, target.ctypes.data)
    turns = max(1, (8 << 20) // size)
    copy(*addresses, vectors, turns)
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < deadline:
        times.append(_time_of(lambda: copy(*addresses, vectors, turns)))
    return turns * 2 * source.nbytes / min(times) / 1e9


def bandwidth_by_size(sizes: tuple[int, ...] = COPY_BYTES) -> dict[str, float]:
    """Return GB/s of `copy_bandwidth` for each working set.

    >>> list(bandwidth_by_size((16 << 10,)))
    ['16 KB']
    """
    return {_size_name(size): round(copy_bandwidth(size), 1) for size in sizes}


@cache
def _compiled(name: str) -> Callable[[int, int, int, int], None]:
    """Compile "chains" or "copy"; call it with two addresses, a number of vectors and of turns."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    text = _chains_text() if name == "chains" else _copy_text()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    integers = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2
    function = ctypes.CFUNCTYPE(None, *integers)(engine.get_function_address(name))
    _ENGINES.append(engine)  # the code lives as long as its engine
    return function


def _chains_text() -> str:
    """`total = x * x + total` in `LATENCY_CHAINS` registers, `turns` times."""
    lanes = _instruction_set()[1]
    vector, count = f"<{lanes} x float>", range(LATENCY_CHAINS)
    fma = f"@llvm.fma.v{lanes}f32"
    x = f"{vector} %x"
    phis = [f"%s{i} = phi {vector} [ %x, %entry ], [ %n{i}, %loop ]" for i in count]
    steps = [f"%n{i} = call {vector} {fma}({x}, {x}, {vector} %s{i})" for i in count]
    names = ["n0", *(f"t{i}" for i in count if i)]
    sums = [f"%t{i} = fadd {vector} %{names[i - 1]}, %n{i}" for i in count if i]
    return f"""
declare {vector} {fma}({vector}, {vector}, {vector})
define void @chains(ptr %source, ptr %target, i64 %vectors, i64 %turns) {{
entry:
  %x = load {vector}, ptr %source, align 4
  br label %loop
loop:
  %turn = phi i64 [ 0, %entry ], [ %next, %loop ]
  {_lines(phis)}
  {_lines(steps)}
  %next = add i64 %turn, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %loop, label %done
done:
  {_lines(sums)}
  store {vector} %{names[-1]}, ptr %target, align 4
  ret void
}}
"""


def _copy_text() -> str:
    """`target[:] = source`, `turns` times; the loads are volatile, so that no turn is left out."""
    vector = f"<{_instruction_set()[1]} x float>"
    return f"""
define void @copy(ptr %source, ptr %target, i64 %vectors, i64 %turns) {{
entry:
  br label %outer
outer:
  %turn = phi i64 [ 0, %entry ], [ %next_turn, %last ]
  br label %inner
inner:
  %i = phi i64 [ 0, %outer ], [ %next, %inner ]
  %from = getelementptr {vector}, ptr %source, i64 %i
  %to = getelementptr {vector}, ptr %target, i64 %i
  %value = load volatile {vector}, ptr %from, align 4
  store {vector} %value, ptr %to, align 4
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %vectors
  br i1 %more, label %inner, label %last
last:
  %next_turn = add i64 %turn, 1
  %again = icmp slt i64 %next_turn, %turns
  br i1 %again, label %outer, label %done
done:
  ret void
}}
"""


def _lines(lines: list[str]) -> str:
    return "\n  ".join(lines)


@cache
def _instruction_set() -> tuple[str, int]:
    features = llvm.get_host_cpu_features()
    for feature, name, lanes in (("avx512f", "AVX-512", 16), ("avx2", "AVX2", 8)):
        if features.get(feature):
            return name, lanes
    return ("NEON" if features.get("neon") else "128-bit"), 4


def _processor_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        fields: dict[str, str] = {}
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
        name = fields.get("model name", "")
        if name:
            numbers = [f"{k} {fields[k]}" for k in ("cpu family", "model") if k in fields]
            return f"{name} ({', '.join(numbers)})"
    return platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    caches = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind = ((folder / name).read_text().strip() for name in ("level", "type"))
        suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
        caches[f"L{level}{suffix}"] = (folder / "size").read_text().strip()
    return caches


def _size_name(size: int) -> str:
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} KB"


def _time_of(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    samples = fma_samples(repeats=20)
    together = fma_samples(threads=usable_cores(), repeats=20)
    report = asdict(describe()) | {
        "fma_gflops_one_core_max": round(max(samples), 1),
        "fma_gflops_one_core_median": round(statistics.median(samples), 1),
        "fma_gflops_all_cores_max": round(max(together), 1),
        "fma_gflops_all_cores_median": round(statistics.median(together), 1),
        "copy_gigabytes_per_second": bandwidth_by_size(),
    }
    print(json.dumps(report, indent=2))
