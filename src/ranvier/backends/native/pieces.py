"""A module's text in pieces that are compiled by themselves, so that programs can share them.

The kernels of products, the order of rows and many groups are the same in one program as in the
next; only what differs has to become machine code again.
"""

from __future__ import annotations

import re

#: Functions of at least so many lines are pieces of their own; all others of a module are one.
LONG = 100

#: Line by line up to one that begins with a brace: a search for it character by character is slow.
_FUNCTION = re.compile(r"^define .*\{\n(?:(?!\}).*\n)*\}\n?", re.MULTILINE)
_SYMBOL = re.compile(r"@([\w.]+)")
_HEAD = re.compile(r"define ([^\n]*\))")


def pieces(text: str) -> list[str]:
    """The texts of modules that together are this one; the text itself if it cannot be divided.

    Functions become visible to the other pieces, and each piece declares what it calls.

    Example:
        >>> long = "\\n".join(f"  %v{k} = add i64 %n, {k}" for k in range(100))
        >>> for piece in pieces(
        ...     f"define internal void @long(i64 %n) {{\\n{long}\\n  ret void\\n}}\\n"
        ...     "define void @go() {\\n  call void @long(i64 1)\\n  ret void\\n}\\n"
        ... ):
        ...     print(piece.splitlines()[0])
        define void @long(i64 %n) {
        declare void @long(i64)
    """
    declared: dict[str, str] = {}
    for line in _FUNCTION.sub("", text).splitlines():
        symbol = _SYMBOL.search(line) if line.startswith("declare ") else None
        if symbol is not None:
            declared[symbol[1]] = line
        elif line.strip():
            return [text]
    functions = {}
    for match in _FUNCTION.finditer(text):
        name = _SYMBOL.search(match[0])
        head = _HEAD.match(match[0])
        if name is None or head is None:
            return [text]
        functions[name[1]] = match[0].replace("define internal ", "define ", 1)
        kind = re.sub(r" %[\w.]+", "", head[1]).removeprefix("internal ")
        declared[name[1]] = f"declare {kind}"
    long = [name for name, body in functions.items() if body.count("\n") >= LONG]
    short = [name for name in functions if name not in long]
    return [
        _piece([functions[name] for name in group], group, declared)
        for group in [*([name] for name in long), short]
        if group
    ]


def _piece(bodies: list[str], names: list[str], declared: dict[str, str]) -> str:
    body = "\n".join(bodies)
    called = sorted(set(_SYMBOL.findall(body)) - set(names))
    return "\n".join([*(declared[name] for name in called), body])
