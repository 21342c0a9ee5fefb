"""Why the loops of a group are as they are: sentences from the decisions that were made for it."""

from __future__ import annotations

from collections.abc import Mapping

from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.nests import lanes_of
from ranvier.backends.native.products import ProductNest
from ranvier.backends.native.shares import WORTH_A_CUT, Cut, cost_of
from ranvier.compiler.groups import Group
from ranvier.compiler.pipeline import Planned

#: Rows of a tile above which its row stride is fixed in the kernel.
LOW_TILE = 8


def reasons_of(writer: ModuleWriter, group: Group, planned: Planned) -> list[str]:
    """Why a group is written as it is, in parts of a sentence.

    Args:
        writer: of the module that the group is in.
        group: the group.
        planned: its program.
    """
    if group.kind == "product":
        return _of_product(writer.product_nest(group, planned))
    if group.kind == "scatter":
        return ["rows in their order: several may go to one row of the table"]
    if group.roots[0].kind == "dot":
        return ["sums of products of few columns: no tile"]
    if group.kind == "columns":
        return ["vectors along the columns, interleaved sums over the rows"]
    lanes = lanes_of(group, writer.arguments(group, planned))
    stages = 1 + max((root.level for root in group.roots), default=0)
    found = ["number by number" if lanes == 1 else f"vectors of {lanes}"]
    return found if stages == 1 else [*found, f"{stages} walks along a row, which stays in cache"]


def _of_product(nest: ProductNest) -> list[str]:
    rows, count = nest.tile_rows, max(nest.usual_rows(), 1)
    wide, columns = nest.tile_vectors, nest.column_axis.length
    if isinstance(columns, int):
        wide = min(wide, -(-columns // nest.lanes))
    found = [f"tiles of {rows} x {wide * nest.lanes}"]
    if rows > LOW_TILE:
        found[0] += f": they waste least of {count} rows, and their stride is known"
    elif 2 * rows > count:
        found[0] += ": there is one row" if count == 1 else f": there are {count} rows"
    if nest.merged is not None:
        found.append("rows of several axes are one axis")
    if nest.turns_left():
        found.append("rows outside: the left side is transposed, and its corners fit the cache")
    right, scratch = nest.group.right, nest.group.scratch
    if scratch is not None:
        found.append("panels packed first: the right side is transposed")
    elif right is not None and right.buffer.panel:
        found.append("not packed: the right side is stored in panels")
    else:
        found.append("not packed: the columns of the right side lie side by side")
    return found


def reason_of_cut(group: Group, cut: Cut | None, capacity: Mapping[str, int]) -> str:
    """Why a group is cut as it is where several workers run its program."""
    if cut is not None:
        return f"cut along the {cut.what}, {cut.unit} together"
    cost = cost_of(group, capacity)
    if cost < WORTH_A_CUT:
        return f"not cut: about {cost / 1e3:.2g} us, less than what a meeting is worth"
    return "not cut: its places need each other"
