"""LLVM text to machine code. One lock around LLVM; no passes are run, the text is in final form."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm

from ranvier.backends.native.target import Target
from ranvier.foundation.errors import InternalError

_lock = threading.Lock()


def _renew_lock() -> None:
    """After a fork another thread may have held the lock; the child starts with a fresh one."""
    global _lock
    _lock = threading.Lock()


def _prepare() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


_prepare()


@dataclass
class Code:
    """Machine code in this process.

    Attributes:
        text: the LLVM text it was made from.
        seconds: what parsing and code generation took.
    """

    text: str
    engine: Any
    machine: Any
    seconds: dict[str, float] = field(default_factory=dict)

    def function(self, name: str, *argument_types: Any) -> Callable[..., None]:
        """A function of the code as a Python callable that lets other threads run."""
        address = self.engine.get_function_address(name)
        function = ctypes.CFUNCTYPE(None, *argument_types)(address)
        function.owner = self  # type: ignore[attr-defined]  # the code must outlive its callers
        return function

    def assembly(self) -> str:
        """The code as assembly text."""
        with _lock:
            return str(self.machine.emit_assembly(llvm.parse_assembly(self.text)))


def compile_text(text: str, target: Target) -> Code:
    """Compile a module for a target.

    Raises:
        InternalError: if LLVM refuses the text.
    """
    with _lock:
        begin = time.perf_counter()
        try:
            module = llvm.parse_assembly(text)
        except RuntimeError as error:
            raise InternalError(
                "LLVM does not accept the program that Ranvier wrote.",
                happened=str(error).strip().splitlines()[0] if str(error) else "no reason given",
                needed="valid LLVM text",
                fix="please report this with the network that shows it",
            ) from error
        parsed = time.perf_counter()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=target.cpu, features=target.features, opt=2
        )
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        done = time.perf_counter()
    return Code(text, engine, machine, {"parse": parsed - begin, "machine code": done - parsed})
