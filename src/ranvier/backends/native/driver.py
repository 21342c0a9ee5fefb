"""The loops around a step as LLVM text: epochs, batches, validation, history, the monitor.

Python is not entered while they run. Everything that may change is in the control block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ranvier.backends import control
from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.modes import emit_flush, emit_restore
from ranvier.backends.native.row_numbers import (
    Epochs,
    RowNumbers,
    emit_in_order,
    emit_orders,
)
from ranvier.backends.native.running_sums import Region, RunningSums, load_real, size_of
from ranvier.backends.native.target import Target

F64, I64 = Type("float64"), Type("int64")


@dataclass(frozen=True)
class Place:
    """A scalar in the arena: its offset and dtype."""

    offset: int
    dtype: str


@dataclass(frozen=True)
class TrainingLayout:
    """What the loops must know of the programs that they call.

    Attributes:
        loss: where a step leaves its loss.
        statistics: where a step leaves the statistics of its metrics.
        validation: the same of a validation batch; the first two are the loss's sum and rows.
        finish: where the end of an epoch reads the sums of all statistics, one after another.
        results: where it leaves the metrics.
        step_real, step_number, seed, rate, epoch: scalars that a step reads, where it does.
        parameters: first byte and length of all parameters, which lie together.
        numbers: scalars that the host gives the update, in the order of the control block.
        short_epochs: whether batches are so short that epochs may be of a few rows alone.
    """

    loss: Place
    statistics: tuple[Region, ...]
    validation: tuple[Region, ...]
    finish: int
    results: tuple[Place, ...]
    step_real: Place | None
    step_number: Place | None
    seed: Place | None
    rate: Place | None
    parameters: tuple[int, int]
    epoch: Place | None = None
    numbers: tuple[Place | None, ...] = ()
    short_epochs: bool = False

    @property
    def sums(self) -> int:
        """Running sums that the control block holds."""
        return max(size_of(self.statistics), size_of(self.validation), 1)


class _Driver:
    """One exported function ``void @name(ptr control, ptr arena)``."""

    def __init__(self, name: str, declarations: set[str], target: Target) -> None:
        self.f = Emitter(f"define void @{name}(ptr %control, ptr %arena)", declarations)
        self.sums = RunningSums(self.f)
        self.target = target
        self.mode = emit_flush(self.f, target)

    def get(self, name: str) -> str:
        """Load a word of the control block."""
        type_ = F64 if name in control.REALS else I64
        return self.f.load(type_, self.f.at("%control", control.word(name), "int64"))

    def put(self, name: str, value: Operand) -> None:
        """Store a word of the control block."""
        type_ = F64 if name in control.REALS else I64
        self.f.store(type_, str(value), self.f.at("%control", control.word(name), "int64"))

    def read(self, place: Place) -> str:
        """A scalar of the arena as float64."""
        return load_real(self.f, place.dtype, self.f.at("%arena", place.offset))

    def write(self, place: Place | None, value: str) -> None:
        """Set a scalar that a step reads."""
        if place is not None:
            self.f.store(Type(place.dtype), value, self.f.at("%arena", place.offset))

    def results(self, layout: TrainingLayout, first: int) -> list[str]:
        """The metrics, from the running sums that begin at the first of their statistics."""
        if layout.results:
            self.sums.copy(first, size_of(layout.statistics), layout.finish)
            self.f.do("call void @finish(ptr %arena, ptr null, ptr null)")
        return [self.read(place) for place in layout.results]

    def finish(self) -> str:
        """Restore the processor's mode and return the text."""
        emit_restore(self.f, self.target, self.mode)
        self.f.do("ret void")
        return self.f.text()


def emit_batches(
    driver: _Driver, rows: str, size: str, body: Callable[[Operand, str], None]
) -> None:
    """All rows in order, ``size`` at a time; body(first row, count)."""
    f = driver.f

    def one(batch: Operand, _: list[str]) -> None:
        first = f.op(f"mul nsw i64 {batch}, {size}")
        count = str(f.minimum_int(f.sub(rows, first), size))
        body(first, count)

    whole = f.op(f"add i64 {rows}, {size}")
    batches = f.op(f"sdiv i64 {f.sub(whole, 1)}, {size}")
    f.loop(batches, one)


@dataclass(frozen=True)
class OutputPlace:
    """Where a batch's results lie.

    Attributes:
        offset: of the first in the arena.
        row: elements from row to row there.
        length: elements of a row that count.
        size: bytes of an element.
    """

    offset: int
    row: int
    length: int
    size: int


def emit_prediction(declarations: set[str], target: Target, outputs: Sequence[OutputPlace]) -> str:
    """``predict``: batch after batch through ``@forward``, results to the caller's arrays.

    The control block's ``outputs`` points to their addresses.
    """
    driver = _Driver("predict", declarations, target)
    f = driver.f
    numbers, data = _pointer(driver, "row_numbers"), _pointer(driver, "data")
    table = _pointer(driver, "outputs")
    out = [
        f.op(f"load ptr, ptr {f.at(table, number, 'int64')}, align 8")
        for number in range(len(outputs))
    ]
    declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")

    def batch(first: Operand, count: str) -> None:
        emit_in_order(f, numbers, first, count)
        f.do(f"call void @forward(ptr %arena, ptr {data}, ptr {numbers}, i64 {count})")

        def copy(i: Operand, _: list[str]) -> None:
            for place, array in zip(outputs, out, strict=True):
                width = place.length * place.size
                source = f.at("%arena", f.add(place.offset, f.mul(place.row * place.size, i)))
                target_ = f.at(array, f.mul(width, f.add(first, i)))
                f.do(
                    f"call void @llvm.memcpy.p0.p0.i64(ptr {target_}, ptr {source}, "
                    f"i64 {width}, i1 false)"
                )

        f.loop(count, copy)

    emit_batches(driver, driver.get("rows"), driver.get("batch_size"), batch)
    return driver.finish()


def _pointer(driver: _Driver, name: str) -> str:
    # Loaded as a pointer: arithmetic on integers that become pointers is not safe in LLVM.
    f = driver.f
    return f.op(f"load ptr, ptr {f.at('%control', control.word(name), 'int64')}, align 8")


def _validate(driver: _Driver, regions: Sequence[Region]) -> None:
    f = driver.f
    driver.sums.clear(size_of(regions))
    numbers, data = _pointer(driver, "row_numbers"), _pointer(driver, "validation_data")

    def batch(first: Operand, count: str) -> None:
        emit_in_order(f, numbers, first, count)
        f.do(f"call void @evaluate(ptr %arena, ptr {data}, ptr {numbers}, i64 {count})")
        driver.sums.add(regions)

    emit_batches(driver, driver.get("validation_rows"), driver.get("validation_batch"), batch)


class TrainingDriver(_Driver):
    """``train``: epochs of steps until the last epoch, the last step, a stop, or no patience.

    It calls ``i32 @step(arena, data, rows, count)``, which gives 1 for a loss that is not finite,
    ``void @evaluate`` of the same arguments, and ``void @finish`` for the metrics of an epoch.
    """

    def __init__(self, declarations: set[str], target: Target, layout: TrainingLayout) -> None:
        super().__init__("train", declarations, target)
        self.layout = layout

    def emit(self) -> str:
        """The text of the function."""
        f = self.f
        f.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        self._load_constants()
        f.do("br label %epochs")
        f.label("epochs")
        self.epoch = self.get("epoch")
        self._leave_if(f.icmp("sge", self.epoch, self.get("last_epoch")), control.FINISHED)
        f.do("br label %batches")
        f.label("batches")
        self.batch = self.get("batch")
        over = f.icmp("sge", self.batch, self.batch_count)
        f.do(f"br i1 {over}, label %epoch_end, label %next_batch")
        f.label("next_batch")
        self._one_batch()
        f.do("br label %batches")
        f.label("epoch_end")
        self._epoch_end()
        f.do("br label %epochs")
        f.label("leave")
        return emit_orders(f.declarations, self.layout.short_epochs) + self.finish()

    def _load_constants(self) -> None:
        f = self.f
        self.rows = self.get("rows")
        self.size = self.get("batch_size")
        self.seed = self.get("seed")
        self.data = _pointer(self, "data")
        shuffle = f.icmp("ne", self.get("shuffle"), 0)
        whole = f.op(f"add i64 {self.rows}, {self.size}")
        batches = f.op(f"sdiv i64 {f.sub(whole, 1)}, {self.size}")
        # A last batch of one row joins the one before: nothing can be said of one row's spread.
        left = f.op(f"srem i64 {self.rows}, {self.size}")
        alone = f.op(f"and i1 {f.icmp('eq', left, 1)}, {f.icmp('sgt', batches, 1)}")
        self.batch_count = f.op(f"select i1 {alone}, i64 {f.sub(batches, 1)}, i64 {batches}")
        epochs = Epochs(self.rows, self.size, self.seed, shuffle)
        # Rows of epochs to come would be lost to the validation, which uses the same memory.
        ahead = not self.layout.validation
        numbers = _pointer(self, "row_numbers")
        self.order = RowNumbers(f, epochs, numbers, ahead, self.layout.short_epochs)
        self.write(self.layout.seed, self.seed)

    def _leave_if(self, condition: str, status: int) -> None:
        f = self.f
        stay = f.fresh_label("stay")
        go = f.fresh_label("go")
        f.do(f"br i1 {condition}, label %{go}, label %{stay}")
        f.label(go)
        self.put("status", status)
        f.do("br label %leave")
        f.label(stay)

    def _one_batch(self) -> None:
        f = self.f
        self._leave_if(f.icmp("ne", self._stop_word(), 0), control.STOPPED)
        step = self.get("step")
        self._leave_if(f.icmp("sge", step, self.get("last_step")), control.STEP_LIMIT)
        first = f.op(f"mul nsw i64 {self.batch}, {self.size}")
        is_last = f.icmp("eq", f.add(self.batch, 1), self.batch_count)
        rest = f.sub(self.rows, first)
        count = f.op(f"select i1 {is_last}, i64 {rest}, i64 {self.size}")
        numbers = self.order.of_batch(self.epoch, first, count)
        following = str(f.add(step, 1))
        self.write(self.layout.step_number, step)
        self.write(self.layout.step_real, f.op(f"sitofp i64 {following} to double"))
        self.write(self.layout.rate, self.get("learning_rate"))
        self.write(self.layout.epoch, f.op(f"sitofp i64 {self.epoch} to double"))
        for number, place in enumerate(self.layout.numbers, self.layout.sums):
            self.write(place, self.sums.load(number))
        bad = f.op(f"call i32 @step(ptr %arena, ptr {self.data}, ptr {numbers}, i64 {count})")
        self._leave_if(f.op(f"icmp ne i32 {bad}, 0"), control.NOT_FINITE)
        loss = f.binary("fadd", F64, self.get("loss_sum"), self.read(self.layout.loss))
        self.put("loss_sum", loss)
        self.put("loss_count", f.binary("fadd", F64, self.get("loss_count"), "1.0"))
        self.sums.add(self.layout.statistics)
        self.put("batch", f.add(self.batch, 1))
        self.put("step", following)

    def _stop_word(self) -> str:
        place = self.f.at("%control", control.word("stop"), "int64")
        return self.f.op(f"load atomic i64, ptr {place} monotonic, align 8")

    def _epoch_end(self) -> None:
        f, layout = self.f, self.layout
        line = f.mul(f.sub(self.epoch, self.get("first_epoch")), self.get("columns"))
        history = f.at(_pointer(self, "history"), line, "float64")
        mean = f.binary("fdiv", F64, self.get("loss_sum"), self.get("loss_count"))
        numbers = [mean, *self.results(layout, 0)]
        for column, number in enumerate(numbers):
            f.store(F64, number, f.at(history, column, "float64"))
        if layout.validation:
            _validate(self, layout.validation)
            self.order.forget()  # it has put other row numbers in their place
            loss = f.binary("fdiv", F64, self.sums.load(0), self.sums.load(1))
            checked = [loss, *self.results(layout, 2)]
            for column, number in enumerate(checked, len(numbers)):
                f.store(F64, number, f.at(history, column, "float64"))
        self.sums.clear(layout.sums)
        self.put("loss_sum", "0.0")
        self.put("loss_count", "0.0")
        self.put("batch", 0)
        self.put("epoch", f.add(self.epoch, 1))
        self._monitor(history)

    def _monitor(self, history: str) -> None:
        """Keep the best parameters; leave when patience is at its end."""
        f = self.f
        column = self.get("monitor_column")
        watching = f.icmp("sge", column, 0)

        def watch() -> None:
            sign = self.get("monitor_sign")
            value = f.load(F64, f.at(history, column, "float64"))
            turned = f.binary("fmul", F64, sign, value)
            best = f.binary("fmul", F64, sign, self.get("best_value"))
            limit = f.binary("fsub", F64, best, self.get("tolerance"))
            better = f.compare("olt", F64, turned, limit)
            waited = f.op(f"select i1 {better}, i64 0, i64 {f.add(self.get('waited'), 1)}")
            self.put("waited", waited)

            def keep() -> None:
                self.put("best_value", value)
                self.put("best_epoch", self.epoch)
                kept = _pointer(self, "best_parameters")
                start, length = self.layout.parameters
                source = f.at("%arena", start)
                f.when(
                    f.op(f"icmp ne ptr {kept}, null"),
                    lambda: f.do(
                        f"call void @llvm.memcpy.p0.p0.i64(ptr {kept}, ptr {source}, "
                        f"i64 {length}, i1 false)"
                    ),
                )

            f.when(better, keep)

        f.when(watching, watch)
        tired = f.icmp("sge", self.get("waited"), self.get("patience"))
        self._leave_if(f.op(f"and i1 {watching}, {tired}"), control.NO_PATIENCE)
