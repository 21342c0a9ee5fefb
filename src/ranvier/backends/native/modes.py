"""The processor's treatment of denormal numbers inside a native call: flushed, then restored.

Moments of dead units decay into denormals, which cost a hundred cycles each; they count as zero.
"""

from __future__ import annotations

from ranvier.backends.native.emitter import Emitter
from ranvier.backends.native.target import Target

#: Flush to zero, and denormals are zero, in x86's control and status register.
FLUSH_BITS = 0x8040


def emit_flush(f: Emitter, target: Target) -> str | None:
    """Flush denormals from here on; returns where the old mode is kept."""
    if not target.x86:
        return None
    f.declarations.add("declare void @llvm.x86.sse.stmxcsr(ptr)")
    f.declarations.add("declare void @llvm.x86.sse.ldmxcsr(ptr)")
    old = f.fresh("mode")
    new = f.fresh("mode")
    f.allocations += [f"  {old} = alloca i32, align 4", f"  {new} = alloca i32, align 4"]
    f.do(f"call void @llvm.x86.sse.stmxcsr(ptr {old})")
    word = f.op(f"load i32, ptr {old}, align 4")
    flushed = f.op(f"or i32 {word}, {FLUSH_BITS}")
    f.do(f"store i32 {flushed}, ptr {new}, align 4")
    f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {new})")
    return old


def emit_restore(f: Emitter, target: Target, old: str | None) -> None:
    """Go back to the caller's mode."""
    if target.x86 and old is not None:
        f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {old})")
