"""The native engine: groups as LLVM text, compiled by llvmlite to machine code."""
