"""`ranvier doctor`: what is installed, what the processor can do, and whether native code runs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from ranvier import __version__
from ranvier.backends.native.target import find_target
from ranvier.cli import machine
from ranvier.cli.cache import code_cache
from ranvier.cli.report import Report

REQUIRED = ("numpy", "llvmlite", "safetensors", "rich", "typer")
#: The packages of each extra, by the names they are imported as.
EXTRAS: dict[str, dict[str, str]] = {
    "tables": {"polars": "polars", "narwhals": "narwhals"},
    "sklearn": {"scikit-learn": "sklearn"},
    "images": {"pillow": "PIL"},
    "audio": {"soundfile": "soundfile"},
    "text": {"tokenizers": "tokenizers"},
    "plots": {"matplotlib": "matplotlib"},
    "tune": {"optuna": "optuna"},
}
#: Where Linux says how much processor time a container may use.
QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")


def doctor(as_json: bool) -> None:
    """Print versions, the processor, its measured speed, the code cache, what lies idle, extras."""
    report = Report(as_json)
    content = findings()
    report.heading("Versions")
    report.table(("", ""), [(k, str(v)) for k, v in content["versions"].items()])
    report.heading("Processor")
    report.table(("", ""), [(k, str(v)) for k, v in content["processor"].items()])
    report.heading("Measured on one processor")
    report.table(("", ""), [(k, str(v)) for k, v in content["speed"].items()])
    report.heading("Compiled code on disk")
    report.table(("", ""), [(k, str(v)) for k, v in content["code cache"].items()])
    report.heading("Not used, and why")
    for what, why in content["not used"].items():
        report.say(f"{what}: {why}")
    report.heading("Extras")
    report.table(("", ""), [(k, str(v)) for k, v in content["extras"].items()])
    missing = [name for name, state in content["extras"].items() if state.startswith("missing")]
    if missing:
        report.say(f'\nTo add what is missing: pip install "ranvier[{",".join(missing)}]"')
    report.document(content)


def findings() -> dict[str, dict[str, Any]]:
    """Everything that doctor knows, by section."""
    target = find_target()
    versions = {"ranvier": __version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in REQUIRED}
    versions["LLVM"] = ".".join(str(part) for part in llvm.llvm_version_info)
    return {
        "versions": versions,
        "processor": {
            "system": f"{platform.system()} {platform.machine()}",
            "LLVM's name": target.cpu,
            "vectors": f"{target.vector_bytes * 8} bits, {target.registers} registers",
            "processors": os.cpu_count() or 1,
            "allowed to this process": _allowed(),
            "quota": _quota(QUOTA_FILE),
            "caches": machine.caches(),
            "threads": machine.threads(),
        },
        "speed": machine.speed(),
        "code cache": {name: value for name, value in code_cache().items() if name != "not used"},
        "not used": machine.idle(),
        "extras": {name: _extra(packages) for name, packages in EXTRAS.items()},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _extra(packages: dict[str, str]) -> str:
    absent = [name for name, module in packages.items() if importlib.util.find_spec(module) is None]
    if absent:
        return "missing: " + ", ".join(absent)
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(file: Path) -> str:
    """The processor time that a container may use, in processors."""
    try:
        limit, period = file.read_text().split()[:2]
        return "none" if limit == "max" else f"{int(limit) / int(period):.2g} processors"
    except (OSError, ValueError):
        return "unknown"
