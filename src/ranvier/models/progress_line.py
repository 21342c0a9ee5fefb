"""One line of text that says how far a training run is.

In a terminal the line is written over itself; elsewhere a handful of lines is printed, never one
an epoch for thousands of epochs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from ranvier.foundation.errors import ArgumentError
from ranvier.training.program import History, Progress

#: Lines printed over a whole run where a line cannot be written over itself.
LINES_A_RUN = 20


def show_number(value: float) -> str:
    """A number in four significant digits: ``0.09143``, ``1.2e-07``, ``98.1``."""
    return f"{value:.4g}"


def show_seconds(seconds: float | None) -> str:
    """A duration: ``80 ms``, ``4.2 s``, ``2 min 05 s``, ``1 h 10 min``.

    Example:
        >>> show_seconds(125.0)
        '2 min 05 s'
    """
    if seconds is None or seconds != seconds:
        return "?"
    whole = round(seconds)
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def show_count(value: float) -> str:
    """A large count: ``950``, ``12.5 k``, ``3.1 M``.

    Example:
        >>> show_count(12_500)
        '12.5 k'
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f}"


def show_metrics(metrics: Mapping[str, float]) -> str:
    """Names and numbers: ``accuracy 0.981  val_loss 0.0914``."""
    return "  ".join(f"{name} {show_number(value)}" for name, value in metrics.items())


def progress_text(progress: Progress) -> str:
    """What a run is doing, in one line.

    Example:
        >>> from ranvier.training.program import History, Progress
        >>> text = progress_text(Progress(2, 10, 5, 45, 0.25, {"accuracy": 0.9}, 80_000.0, 4.0))
        >>> text.split("  ")[0]
        'epoch 2/10'
    """
    parts = [f"epoch {progress.epoch}/{progress.epochs}"]
    if progress.seconds_left is not None and progress.epoch < progress.epochs:
        parts.append(f"{show_seconds(progress.seconds_left)} left")
    # In the order of interest: a narrow terminal cuts off the end.
    parts.append(show_metrics({"loss": progress.loss, **progress.metrics}))
    if progress.examples_per_second:
        parts.append(f"{show_count(progress.examples_per_second)} examples/s")
    return "  ".join(parts)


class ProgressLine:
    """Writes the progress of one run.

    Args:
        stream: where to; its ``isatty`` decides on the form.
        width: columns of the terminal; longer lines would leave remains behind. None: asked for.
    """

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        self._stream = stream
        self._width = shutil.get_terminal_size().columns if width is None else width
        self._over = stream.isatty()
        self._shown = 0
        self._last_epoch = 0

    def __call__(self, progress: Progress) -> None:
        """Show the state of the run."""
        if self._over:
            self._write_over(progress_text(progress)[: self._width - 1])
            return
        every = max(1, -(-progress.epochs // LINES_A_RUN))
        last = progress.epoch >= progress.epochs
        if progress.epoch > self._last_epoch and (progress.epoch % every == 0 or last):
            self._last_epoch = progress.epoch
            self._stream.write(progress_text(progress) + "\n")
            self._stream.flush()

    def say(self, sentences: Sequence[str]) -> None:
        """Write sentences that stay, one a line."""
        for sentence in sentences:
            self._stream.write(sentence + "\n")

    def finish(self, text: str) -> None:
        """End with a line that stays."""
        if self._over:
            self._write_over("")
        self._stream.write(text + "\n")
        self._stream.flush()

    def _write_over(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._shown) + ("\r" if not text else ""))
        self._stream.flush()
        self._shown = len(text)


def progress_line(verbose: bool | str) -> ProgressLine | None:
    """The progress line that `verbose` asks for, or None.

    Args:
        verbose: True: always; False: never; ``"auto"``: only in a terminal.

    Raises:
        ArgumentError: anything else.
    """
    if verbose not in (True, False, "auto"):
        raise ArgumentError(
            "The argument verbose is not understood.",
            happened=f"it is {verbose!r}",
            needed="True, False or 'auto'",
            fix="'auto' shows progress in a terminal only",
        )
    if verbose == "auto":
        verbose = sys.stdout is not None and sys.stdout.isatty()
    return ProgressLine(sys.stdout) if verbose else None


def both(
    first: Callable[[Progress], None] | None, second: Callable[[Progress], None] | None
) -> Callable[[Progress], None] | None:
    """One listener of two; None if there is none, so that training need not call Python."""
    if first is None or second is None:
        return first or second

    def call(progress: Progress) -> None:
        first(progress)
        second(progress)

    return call


def final_text(history: History) -> str:
    """How a run ended: ``20 epochs in 1.2 s  loss 0.01  accuracy 1``."""
    if not history.epochs:
        return "no epoch was finished"
    ended = "stopped by you, " if history.interrupted else ""
    ended += "stopped early, " if history.stopped_early else ""
    last = {name: values[-1] for name, values in history.items() if values}
    plural = "" if history.epochs == 1 else "s"
    return (
        f"{ended}{history.epochs} epoch{plural} in {show_seconds(history.seconds)}  "
        + show_metrics(last)
    )
