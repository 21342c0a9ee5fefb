"""A small writer of LLVM text: one function as lines, values as the names they have in the text.

Integers known while writing stay Python integers, so constant addresses fold by themselves. Float
arithmetic is emitted without fast-math flags: the order of every operation is part of the program.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: An LLVM value by its name in the text, or an integer known while writing.
Operand = str | int

LLVM_TYPES = {
    "float32": "float",
    "float64": "double",
    "float16": "i16",  # its bits: it is only stored, and cast before anything is computed
    "int8": "i8",
    "uint8": "i8",
    "int16": "i16",
    "uint16": "i16",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "bool": "i1",
}


@dataclass(frozen=True)
class Type:
    """The LLVM type of a value: a scalar dtype, or ``lanes`` of it side by side."""

    dtype: str
    lanes: int = 1

    def __str__(self) -> str:
        scalar = LLVM_TYPES[self.dtype]
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    @property
    def suffix(self) -> str:
        """The type as intrinsic names spell it: ``v16f32``, ``f64``."""
        letter = {"float": "f32", "double": "f64", "half": "f16"}
        scalar = LLVM_TYPES[self.dtype]
        name = letter.get(scalar, scalar)
        return name if self.lanes == 1 else f"v{self.lanes}{name}"

    def with_dtype(self, dtype: str) -> Type:
        """The same number of lanes of another dtype."""
        return Type(dtype, self.lanes)


def constant(type_: Type, value: float | int | bool) -> str:
    """A constant as text, splat over the lanes."""
    if type_.dtype == "float32":
        # LLVM wants the bits of the double that equals the float.
        text = "0x" + struct.pack(">d", float(np.float32(value))).hex().upper()
    elif type_.dtype == "float64":
        text = "0x" + struct.pack(">d", float(value)).hex().upper()
    elif type_.dtype == "bool":
        text = "true" if value else "false"
    else:
        text = str(int(value))
    if type_.lanes == 1:
        return text
    return f"splat ({LLVM_TYPES[type_.dtype]} {text})"


class Emitter:
    """One LLVM function being written.

    Args:
        head: the text up to the opening brace, ``define void @f(ptr %a)``.
        module: collects the intrinsics that the function needs declared.
    """

    def __init__(self, head: str, declarations: set[str], attributes: str = "nounwind") -> None:
        self.head = head
        self.attributes = attributes
        self.declarations = declarations
        self.lines: list[str | None] = []
        self.allocations: list[str] = []
        self._count = 0
        self.block = ""
        self.label("entry")

    # --- text

    def label(self, name: str) -> None:
        """Start a basic block."""
        self.lines.append(f"{name}:")
        self.block = name

    def fresh_label(self, hint: str = "L") -> str:
        """A label that was not used before."""
        self._count += 1
        return f"{hint}{self._count}"

    def fresh(self, hint: str = "v") -> str:
        """A value name that was not used before."""
        self._count += 1
        return f"%{hint}{self._count}"

    def op(self, text: str) -> str:
        """Append an instruction that gives a value; returns the value's name."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Append an instruction without a value."""
        self.lines.append(f"  {text}")

    def text(self) -> str:
        """The whole function."""
        body = [line for line in self.lines if line is not None]
        entry = [body[0], *self.allocations]
        return f"{self.head} {self.attributes} {{\n" + "\n".join(entry + body[1:]) + "\n}\n"

    def allocate(self, type_: Type, count: int) -> str:
        """Scratch on the stack, 64-byte aligned, placed in the entry block."""
        name = self.fresh("scratch")
        scalar = LLVM_TYPES[type_.dtype]
        self.allocations.append(f"  {name} = alloca [{count} x {scalar}], align 64")
        return name

    # --- integers (i64)

    def add(self, first: Operand, second: Operand) -> Operand:
        """i64 sum."""
        if isinstance(first, int) and isinstance(second, int):
            return first + second
        if first == 0:
            return second
        if second == 0:
            return first
        return self.op(f"add nsw i64 {first}, {second}")

    def sub(self, first: Operand, second: Operand) -> Operand:
        """i64 difference."""
        if isinstance(first, int) and isinstance(second, int):
            return first - second
        if second == 0:
            return first
        return self.op(f"sub nsw i64 {first}, {second}")

    def mul(self, first: Operand, second: Operand) -> Operand:
        """i64 product."""
        if isinstance(first, int) and isinstance(second, int):
            return first * second
        if first == 0 or second == 0:
            return 0
        if first == 1:
            return second
        if second == 1:
            return first
        return self.op(f"mul nsw i64 {first}, {second}")

    def minimum_int(self, first: Operand, second: Operand) -> Operand:
        """The smaller of two i64."""
        if isinstance(first, int) and isinstance(second, int):
            return min(first, second)
        less = self.op(f"icmp slt i64 {first}, {second}")
        return self.op(f"select i1 {less}, i64 {first}, i64 {second}")

    def icmp(self, how: str, first: Operand, second: Operand) -> str:
        """Comparison of two i64."""
        return self.op(f"icmp {how} i64 {first}, {second}")

    # --- memory

    def at(self, pointer: str, offset: Operand, dtype: str = "uint8") -> str:
        """Address of element ``offset`` behind a pointer (bytes by default)."""
        if offset == 0:
            return pointer
        unit = "i8" if dtype == "bool" else LLVM_TYPES[dtype]
        return self.op(f"getelementptr inbounds {unit}, ptr {pointer}, i64 {offset}")

    def load(self, type_: Type, pointer: str) -> str:
        """Load a value; booleans are bytes in memory."""
        if type_.dtype == "bool":
            raw = self.op(f"load {type_.with_dtype('uint8')}, ptr {pointer}, align 1")
            return self.op(
                f"icmp ne {type_.with_dtype('uint8')} {raw}, {self.zero(type_.with_dtype('uint8'))}"
            )
        return self.op(f"load {type_}, ptr {pointer}, align {self._align(type_)}")

    def store(self, type_: Type, value: str, pointer: str) -> None:
        """Store a value; booleans become bytes."""
        if type_.dtype == "bool":
            byte = type_.with_dtype("uint8")
            value = self.op(f"zext {type_} {value} to {byte}")
            self.do(f"store {byte} {value}, ptr {pointer}, align 1")
            return
        self.do(f"store {type_} {value}, ptr {pointer}, align {self._align(type_)}")

    @staticmethod
    def _align(type_: Type) -> int:
        return int(np.dtype(type_.dtype).itemsize)

    # --- values

    def zero(self, type_: Type) -> str:
        """Zero of a type."""
        return constant(type_, 0) if type_.lanes == 1 else "zeroinitializer"

    def splat(self, type_: Type, scalar: str) -> str:
        """A scalar in every lane of ``type_``."""
        if type_.lanes == 1:
            return scalar
        element = LLVM_TYPES[type_.dtype]
        first = self.op(f"insertelement {type_} poison, {element} {scalar}, i32 0")
        return self.op(
            f"shufflevector {type_} {first}, {type_} poison, <{type_.lanes} x i32> zeroinitializer"
        )

    def intrinsic(self, name: str, type_: Type, *operands: str, result: Type | None = None) -> str:
        """Call ``llvm.name`` on operands that all have ``type_``."""
        result = result or type_
        full = f"llvm.{name}.{type_.suffix}"
        parameters = ", ".join(str(type_) for _ in operands)
        self.declarations.add(f"declare {result} @{full}({parameters})")
        arguments = ", ".join(f"{type_} {operand}" for operand in operands)
        return self.op(f"call {result} @{full}({arguments})")

    def fma(self, type_: Type, a: str, b: str, c: str) -> str:
        """a * b + c, rounded once."""
        return self.intrinsic("fma", type_, a, b, c)

    def binary(self, operation: str, type_: Type, a: str, b: str) -> str:
        """Any two-operand instruction: ``fadd``, ``fmul``, ``xor``, ``shl`` ..."""
        return self.op(f"{operation} {type_} {a}, {b}")

    def compare(self, how: str, type_: Type, a: str, b: str) -> str:
        """``fcmp`` or ``icmp`` by dtype; ``how`` is LLVM's predicate."""
        kind = "fcmp" if type_.dtype.startswith("float") else "icmp"
        return self.op(f"{kind} {how} {type_} {a}, {b}")

    def select(self, type_: Type, condition: str, a: str, b: str) -> str:
        """a where the condition holds, else b."""
        boolean = type_.with_dtype("bool")
        return self.op(f"select {boolean} {condition}, {type_} {a}, {type_} {b}")

    def convert(self, instruction: str, source: Type, target: Type, value: str) -> str:
        """``fpext``, ``sitofp``, ``bitcast`` ... from one type to another."""
        return self.op(f"{instruction} {source} {value} to {target}")

    # --- control flow

    def loop(
        self,
        count: Operand,
        body: Callable[[Operand, list[str]], Sequence[str] | None],
        carried: Sequence[tuple[str, str]] = (),
        step: int = 1,
        start: Operand = 0,
        keep: bool = False,
    ) -> list[str]:
        """``for i in range(start, count, step)``, possibly no round at all.

        Args:
            count: the end, exclusive.
            body: called once with the index and the carried values; returns their next values.
            carried: (LLVM type as text, first value) of what goes from round to round.
            keep: whether it stays a loop where an emitter would write out its few rounds.

        Returns:
            The carried values after the last round.
        """
        if isinstance(count, int) and isinstance(start, int):
            if start >= count:
                return [value for _, value in carried]
            if start + step >= count:  # exactly one round: no loop at all
                return list(body(start, [value for _, value in carried]) or [])
        before, head, end = self.block, self.fresh_label("loop"), self.fresh_label("end")
        at_least_once = isinstance(count, int) and isinstance(start, int)
        if at_least_once:
            self.do(f"br label %{head}")
        else:
            some = self.icmp("slt", start, count)
            self.do(f"br i1 {some}, label %{head}, label %{end}")
        self.label(head)
        index = self.fresh("i")
        slot = len(self.lines)
        self.lines.append(None)
        phis = []
        for _ in carried:
            phis.append(self.fresh("phi"))
            self.lines.append(None)
        following = list(body(index, phis) or [])
        next_index = self.op(f"add nsw i64 {index}, {step}")
        back = self.block
        again = self.icmp("slt", next_index, count)
        self.do(f"br i1 {again}, label %{head}, label %{end}")
        self.lines[slot] = f"  {index} = phi i64 [ {start}, %{before} ], [ {next_index}, %{back} ]"
        for offset, (phi, (type_, first), last) in enumerate(
            zip(phis, carried, following, strict=True)
        ):
            self.lines[slot + 1 + offset] = (
                f"  {phi} = phi {type_} [ {first}, %{before} ], [ {last}, %{back} ]"
            )
        self.label(end)
        if at_least_once:
            return following
        return [
            self.op(f"phi {type_} [ {first}, %{before} ], [ {last}, %{back} ]")
            for (type_, first), last in zip(carried, following, strict=True)
        ]

    def when(self, condition: str, body: Callable[[], None], returns: bool = False) -> None:
        """Run the body only where an i1 holds; a body that returns from the function says so."""
        yes, end = self.fresh_label("then"), self.fresh_label("end")
        self.do(f"br i1 {condition}, label %{yes}, label %{end}")
        self.label(yes)
        body()
        if not returns:
            self.do(f"br label %{end}")
        self.label(end)
