"""LLVM text to machine code. One lock around LLVM; no passes are run, the text is in final form."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import llvmlite.binding as llvm

from ranvier.backends.native.code_cache import find_code_cache, object_key
from ranvier.backends.native.pieces import pieces
from ranvier.backends.native.target import Target
from ranvier.foundation.errors import InternalError
from ranvier.foundation.memo import Memo

_lock = threading.Lock()


def _renew_lock() -> None:
    """After a fork another thread may have held the lock; the child starts with a fresh one."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _prepare() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


_prepare()


@dataclass
class Code:
    """Machine code in this process.

    Attributes:
        text: the LLVM text it was made from.
        seconds: what files of the code cache, parsing and code generation took.
    """

    text: str
    engine: Any
    machine: Any
    seconds: dict[str, float] = field(default_factory=dict)

    def function(
        self, name: str, *argument_types: Any, keeps_lock: bool = False
    ) -> Callable[..., None]:
        """A function of the code as a Python callable that lets other threads run.

        Args:
            name: of the function.
            argument_types: of ctypes.
            keeps_lock: no other thread may run Python meanwhile; for calls of a few microseconds.
        """
        address = self.engine.get_function_address(name)
        kind = ctypes.PYFUNCTYPE if keeps_lock else ctypes.CFUNCTYPE
        function = kind(None, *argument_types)(address)
        function.owner = self  # type: ignore[attr-defined]  # the code must outlive its callers
        return function

    def assembly(self) -> str:
        """The code as assembly text."""
        with _lock:
            return str(self.machine.emit_assembly(llvm.parse_assembly(self.text)))


#: Machine code that was made lately, by target and text: the text holds no data, no weights, no
#: seed and no learning rate, so the next fit of the same architecture finds its code here.
CODES: Memo[Code] = Memo(128)
#: The same code by what its text was written from, so that it need not be written again.
_WRITTEN: Memo[tuple[Code, object]] = Memo(128)
#: Object files of pieces of programs, which other programs share.
_OBJECTS: Memo[bytes] = Memo(1024)


def compile_text(text: str, target: Target) -> Code:
    """Compile a module for a target, unless that was done lately.

    Raises:
        InternalError: if LLVM refuses the text.
    """
    return CODES.find((target, text), lambda: _compiled(text, target))


def compile_written(
    target: Target, origins: tuple[object, ...], numbers: Hashable, write: Callable[[], str]
) -> Code:
    """Compile the module that a function writes, unless the same was done lately.

    Args:
        target: the processor.
        origins: the objects that the text is written from; told apart by identity, so they must
            not be changed.
        numbers: all else that the text depends on.
        write: gives the text.

    Raises:
        InternalError: if LLVM refuses the text.
    """
    # What is kept holds the origins: as long as it is there, no other object has their ids.
    key = (target, tuple(map(id, origins)), numbers)
    return _WRITTEN.find(key, lambda: (compile_text(write(), target), origins))[0]


def _compiled(text: str, target: Target) -> Code:
    seconds = {"disk": 0.0, "parse": 0.0, "machine code": 0.0}
    with _lock:
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=target.cpu, features=target.features, opt=2
        )
        objects = [
            _OBJECTS.find((target, piece), partial(_object, piece, target, machine, seconds))
            for piece in pieces(text)
        ]
        begin = time.perf_counter()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for one in objects:
            engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(one))
        engine.finalize_object()
        seconds["machine code"] += time.perf_counter() - begin
    return Code(text, engine, machine, seconds)


def _object(piece: str, target: Target, machine: Any, seconds: dict[str, float]) -> bytes:
    """The object file of a piece, from the disk if it is there; adds its time to `seconds`."""
    begin = time.perf_counter()
    cache = find_code_cache()
    if cache is None:
        return _made(piece, machine, seconds)
    key = object_key(piece, target)
    found = cache.find(key)
    seconds["disk"] += time.perf_counter() - begin
    if found is not None:
        return found
    made = _made(piece, machine, seconds)
    begin = time.perf_counter()
    cache.keep(key, made)
    seconds["disk"] += time.perf_counter() - begin
    return made


def _made(piece: str, machine: Any, seconds: dict[str, float]) -> bytes:
    """The object file that LLVM makes of a piece."""
    begin = time.perf_counter()
    try:
        module = llvm.parse_assembly(piece)
    except RuntimeError as error:
        raise InternalError(
            "LLVM does not accept the program that Ranvier wrote.",
            happened=str(error).strip().splitlines()[0] if str(error) else "no reason given",
            needed="valid LLVM text",
            fix="please report this with the network that shows it",
        ) from error
    parsed = time.perf_counter()
    found: bytes = machine.emit_object(module)
    seconds["parse"] += parsed - begin
    seconds["machine code"] += time.perf_counter() - parsed
    return found
