"""Workers that run one program together: a place to meet, and the loop of those who follow.

The first worker runs the loops over epochs and batches. For each step it writes down what is to be
done, meets the others, does its own part, and meets them again between groups where data crosses.
All of it lives in one call: nothing survives into a fork or the end of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ranvier.backends.native.emitter import Emitter, Type
from ranvier.backends.native.modes import emit_flush, emit_restore
from ranvier.backends.native.target import Target

I64 = Type("int64")
#: Bytes from one word to the next: each has a cache line of its own.
LINE = 64
#: The words of the team: who has arrived, how often all have met, what is to be done, with what.
ARRIVED, MEETINGS, WORKERS, JOB, DATA, ROWS, COUNT = range(7)
#: Bytes of the team in the arena.
TEAM_BYTES = 7 * LINE
#: Looks at the meeting's word before the processor is given to others, again at each look.
PAUSES = 200
#: What ``job`` says: go home, or which program to run.
GO_HOME, PROGRAMS = 0, ("step", "evaluate")


@dataclass(frozen=True)
class Team:
    """Where a team's words lie.

    Attributes:
        offset: of the first in the arena.
        most: workers that scratch memory was planned for.
    """

    offset: int
    most: int

    def word(self, f: Emitter, number: int) -> str:
        """The address of a word."""
        return f.at("%arena", self.offset + number * LINE)


def add_team(
    team: Team,
    programs: Sequence[tuple[str, bool]],
    function: Callable[[str, str], None],
    declarations: set[str],
    target: Target,
) -> None:
    """Add all functions of a team to a module.

    Args:
        team: where its words lie.
        programs: names of the programs that are run together, and whether they are guarded.
        function: adds a function by name and text.
        declarations: of the module.
        target: the processor.
    """
    function("meet", emit_meet(team, declarations, target))
    for name, guarded in programs:
        function(name, emit_leader(team, name, guarded, declarations))
    function("follow", emit_follow(team, programs, declarations, target))
    function("train_together", emit_team_train(team, declarations))


def emit_meet(team: Team, declarations: set[str], target: Target) -> str:
    """``@meet(arena)``: go on when all workers are here."""
    declarations.add("declare i32 @sched_yield()")
    f = Emitter("define internal void @meet(ptr %arena)", declarations, "nounwind noinline")
    arrived, meetings = team.word(f, ARRIVED), team.word(f, MEETINGS)
    workers = f.load(I64, team.word(f, WORKERS))
    before = f.op(f"load atomic i64, ptr {meetings} monotonic, align 8")
    here = f.op(f"atomicrmw add ptr {arrived}, i64 1 acq_rel, align 8")
    is_last = f.icmp("eq", f.add(here, 1), workers)
    f.do(f"br i1 {is_last}, label %open, label %wait")
    f.label("open")
    f.do(f"store atomic i64 0, ptr {arrived} monotonic, align 8")
    f.do(f"store atomic i64 {f.add(before, 1)}, ptr {meetings} release, align 8")
    f.do("ret void")
    f.label("wait")
    f.do("br label %look")
    f.label("look")
    looks = f.fresh("looks")
    slot = len(f.lines)
    f.lines.append(None)
    now = f.op(f"load atomic i64, ptr {meetings} acquire, align 8")
    gone = f.icmp("ne", now, before)
    f.do(f"br i1 {gone}, label %on, label %pause")
    f.label("pause")
    more = f.op(f"add i64 {looks}, 1")
    if target.x86:
        declarations.add("declare void @llvm.x86.sse2.pause()")
        f.do("call void @llvm.x86.sse2.pause()")
    f.do(f"br i1 {f.icmp('sgt', more, PAUSES)}, label %yield, label %again")
    f.label("yield")
    f.do("call i32 @sched_yield()")
    f.do("br label %again")
    f.label("again")
    f.do("br label %look")
    f.lines[slot] = f"  {looks} = phi i64 [ 0, %wait ], [ {more}, %again ]"
    f.label("on")
    f.do("ret void")
    return f.text()


def emit_leader(team: Team, name: str, guarded: bool, declarations: set[str]) -> str:
    """``@name`` as the loops call it: tell the others, and do the first worker's part."""
    result = "i32" if guarded else "void"
    f = Emitter(
        f"define internal {result} @{name}(ptr %arena, ptr %data, ptr %rows, i64 %count0)",
        declarations,
    )
    f.do(f"store ptr %data, ptr {team.word(f, DATA)}, align 8")
    f.do(f"store ptr %rows, ptr {team.word(f, ROWS)}, align 8")
    f.store(I64, "%count0", team.word(f, COUNT))
    f.store(I64, str(PROGRAMS.index(name) + 1), team.word(f, JOB))
    f.do("call void @meet(ptr %arena)")
    workers = f.load(I64, team.word(f, WORKERS))
    call = (
        f"call {result} @{name}_part(ptr %arena, ptr %data, ptr %rows, i64 %count0, "
        f"i64 0, i64 {workers})"
    )
    if guarded:
        f.do(f"ret i32 {f.op(call)}")
    else:
        f.do(call)
        f.do("ret void")
    return f.text()


def emit_team_train(team: Team, declarations: set[str]) -> str:
    """``@train_together(control, arena)``: the loops, then the others are sent home."""
    f = Emitter("define void @train_together(ptr %control, ptr %arena)", declarations)
    f.do("call void @train(ptr %control, ptr %arena)")
    f.store(I64, str(GO_HOME), team.word(f, JOB))
    f.do("call void @meet(ptr %arena)")
    f.do("ret void")
    return f.text()


def emit_follow(
    team: Team, programs: Sequence[tuple[str, bool]], declarations: set[str], target: Target
) -> str:
    """``@follow(arena, worker)``: do one's part of each job until there is none.

    Args:
        team: where its words lie.
        programs: names, and whether they are guarded.
        declarations: of the module.
        target: decides how the processor's mode is set.
    """
    f = Emitter("define void @follow(ptr %arena, i64 %worker)", declarations)
    mode = emit_flush(f, target)
    f.do("br label %next")
    f.label("next")
    f.do("call void @meet(ptr %arena)")
    job = f.load(I64, team.word(f, JOB))
    data = f.op(f"load ptr, ptr {team.word(f, DATA)}, align 8")
    rows = f.op(f"load ptr, ptr {team.word(f, ROWS)}, align 8")
    count, workers = f.load(I64, team.word(f, COUNT)), f.load(I64, team.word(f, WORKERS))
    f.do(f"br i1 {f.icmp('eq', job, GO_HOME)}, label %home, label %work")
    f.label("work")
    for name, guarded in programs:
        result = "i32" if guarded else "void"
        call = (
            f"call {result} @{name}_part(ptr %arena, ptr {data}, ptr {rows}, i64 {count}, "
            f"i64 %worker, i64 {workers})"
        )
        f.when(f.icmp("eq", job, PROGRAMS.index(name) + 1), partial(f.do, call))
    f.do("br label %next")
    f.label("home")
    emit_restore(f, target, mode)
    f.do("ret void")
    return f.text()
