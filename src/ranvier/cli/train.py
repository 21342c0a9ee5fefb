"""`ranvier train`: from a file to a trained, scored and saved model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.cli.defaults import (
    Schedule,
    default_layers,
    flattened,
    schedule,
    share_for_test,
)
from ranvier.cli.network_text import parse_network
from ranvier.cli.output_files import check_model_place
from ranvier.cli.plots import check_plot, plot_history
from ranvier.cli.report import INTERRUPTED, Report
from ranvier.cli.scores import Scores, score
from ranvier.cli.units import in_units_of, training_targets, validation_part
from ranvier.data import Dataset, open_dataset
from ranvier.foundation.errors import ArgumentError
from ranvier.models import Checkpoint, EarlyStopping, Model, Sequential
from ranvier.models.callbacks import AnyCallback
from ranvier.models.checkpoint import state_in
from ranvier.models.progress_line import ProgressLine, final_text
from ranvier.models.stored import store
from ranvier.optimizers import OPTIMIZERS, Optimizer
from ranvier.training.program import History


@dataclass(frozen=True)
class TrainOptions:
    """The options of `ranvier train`, as they were given."""

    data: str
    target: str | None
    kind: str | None
    network: str | None
    epochs: int | None
    batch_size: int
    optimizer: str
    learning_rate: float | None
    loss: str | None
    patience: int | None
    seed: int
    dtype: str
    out: Path | None
    plot: Path | None
    as_json: bool
    checkpoint: Path | None = None
    every: str = "30 seconds"


def train(options: TrainOptions, resume: Path | None = None) -> int:
    """Do the whole job.

    Args:
        options: of the command line.
        resume: a checkpoint of the same command, to go on from.

    Returns:
        The exit code: 0, or 130 if the user stopped the training (the model is saved).

    Raises:
        RanvierError: whatever cannot be used, before anything is trained or written.
    """
    report = Report(options.as_json)
    dataset = open_dataset(
        options.data,
        target=options.target,
        kind=options.kind,
        test_fraction=share_for_test(options.data),
        seed=options.seed,
    )
    dataset = in_units_of(dataset, options.loss)
    out = model_place(options, dataset)
    check_model_place(out)
    if options.plot is not None:
        check_plot(options.plot)
    checkpoint = checkpoint_of(options, out)
    report.heading("Data")
    report.say("\n".join(dataset.notes))
    model, history, stopped = _fit(options, dataset, report, checkpoint, resume)
    scores = None
    try:
        if history.epochs:
            scores = _score(model, dataset, report)
        if options.plot is not None and history.epochs:
            plot_history(history, dataset.name, options.plot)
            report.say(f"The learning curves are in {options.plot}.")
    except KeyboardInterrupt:
        stopped = True
    report.heading("Model")
    store(out, model.network, [dataset.preparation], [model.loss])
    how = "Training was stopped by you; the best weights so far are" if stopped else "The model is"
    report.say(f"{how} saved in {out}.")
    if stopped and options.checkpoint is not None:
        report.say(f"Go on with: ranvier resume {options.checkpoint}")
    report.say(f"Next: ranvier predict {out} DATA, or in Python rv.load({str(out)!r}).")
    report.document(_document(options, dataset, model, history, scores, out, stopped))
    return INTERRUPTED if stopped else 0


def model_place(options: TrainOptions, dataset: Dataset) -> Path:
    """Where the model is saved."""
    return options.out or Path(f"{Path(dataset.name).name.split('.')[0]}.safetensors")


def checkpoint_of(options: TrainOptions, out: Path) -> Checkpoint | None:
    """The callback that writes checkpoints, if they are asked for.

    Raises:
        ArgumentError: an interval that is not understood, or the file of the model itself.
    """
    if options.checkpoint is None:
        return None
    if options.checkpoint.absolute() == out.absolute():
        raise ArgumentError(
            "The checkpoint and the model cannot be one file.",
            happened=f"both are {out}",
            needed="two files: the model is written when training has ended",
            fix=f"give another name, --checkpoint {out.with_suffix('.run.safetensors')}",
        )
    return Checkpoint(options.checkpoint, options.every)


def _command(options: TrainOptions, dataset: Dataset) -> dict[str, Any]:
    """The options as a checkpoint keeps them: they mean the same in any folder."""
    found = {**asdict(options), "out": model_place(options, dataset)}
    path = Path(options.data)
    found["data"] = str(path.absolute()) if path.exists() else options.data
    for name in ("out", "plot", "checkpoint"):
        found[name] = None if found[name] is None else str(found[name].absolute())
    return found


def _fit(
    options: TrainOptions,
    dataset: Dataset,
    report: Report,
    checkpoint: Checkpoint | None,
    resume: Path | None,
) -> tuple[Sequential, History, bool]:
    x, targets = dataset.inputs, training_targets(dataset)
    own = validation_part(dataset)
    chosen = parse_network(options.network) if options.network else default_layers(dataset)
    model = Sequential(*flattened(chosen, dataset), dtype=options.dtype)
    plan = schedule(len(x), options.batch_size, options.epochs, options.patience, own is not None)
    callbacks: list[AnyCallback] = [] if checkpoint is None else [checkpoint]
    if plan.patience is not None:
        callbacks.append(EarlyStopping(patience=plan.patience))
    program = model.training_program(
        x,
        targets,
        loss=options.loss,
        optimizer=_optimizer(options),
        batch_size=options.batch_size,
        validation=plan.validation if own is None else own,
        callbacks=callbacks,
        seed=options.seed,
    )
    if checkpoint is not None:
        command = _command(options, dataset)
        checkpoint.describe_model([dataset.preparation], [model.loss], command)
    report.heading("Network")
    report.say(model.summary())
    report.heading("Training")
    report.say(_training_text(options, model, plan, 0 if own is None else len(own[0])))
    if resume is not None:
        state, notes = state_in(resume)
        program.go_on_from(state)
        report.say("\n".join(notes))
    line = ProgressLine(report.stream, report.width)
    history = program.run(plan.epochs, on_progress=line)
    line.finish(final_text(history))
    if history.notes:
        report.say("\n".join(history.notes))
    return model, history, history.interrupted


def _optimizer(options: TrainOptions) -> Optimizer:
    if options.learning_rate is None:
        return OPTIMIZERS[options.optimizer]()
    kind = OPTIMIZERS[options.optimizer]
    return kind.from_config({**kind().config(), "learning_rate": options.learning_rate})


def _training_text(
    options: TrainOptions, model: Model, plan: Schedule, validation_rows: int
) -> str:
    loss = "" if model.loss is None else model.loss.describe()
    parts = [
        f"{loss}, {_optimizer(options).describe()}, batches of {options.batch_size}, "
        f"at most {plan.epochs} epochs, seed {options.seed}"
    ]
    if plan.validation is not None:
        parts.append(f"{plan.validation:.0%} of the training rows are kept for validation")
    if validation_rows:
        parts.append(f"validated on the {validation_rows} rows of the data's validation part")
    if plan.patience is not None:
        watched = "validation loss" if validation_rows or plan.validation is not None else "loss"
        parts.append(f"stops after {plan.patience} epochs without a better {watched}")
    return "\n".join(parts)


def _score(model: Model, dataset: Dataset, report: Report) -> Scores:
    x, y = dataset.test_inputs, dataset.test_y
    place = "Test"
    if x is None or y is None:
        x, y, place = dataset.inputs, dataset.y, "Training rows (there is no test part)"
    known = dataset.y if dataset.y is not None else np.zeros(0)
    scores = score(model, x, np.asarray(y), known, dataset.preparation)
    report.heading(f"{place}: {scores.rows} rows")
    report.table(("", "model", scores.answer), scores.table())
    return scores


def _document(
    options: TrainOptions,
    dataset: Dataset,
    model: Model,
    history: History,
    scores: Scores | None,
    out: Path,
    stopped: bool,
) -> dict[str, Any]:
    return {
        "data": {
            "name": dataset.name,
            "task": dataset.task,
            "rows": len(dataset.x),
            "validation_rows": 0 if dataset.val_x is None else len(dataset.val_x),
            "test_rows": 0 if dataset.test_x is None else len(dataset.test_x),
            "classes": list(dataset.class_names),
            "notes": list(dataset.notes),
        },
        "network": {
            "layers": [layer.describe() for layer in model.layers],
            "parameters": sum(array.size for array in model.network.parameters.values()),
            "planned_bytes": None if model.memory is None else model.memory.bytes,
        },
        "training": {
            "loss": None if model.loss is None else model.loss.describe(),
            "optimizer": _optimizer(options).describe(),
            "batch_size": options.batch_size,
            "seed": options.seed,
            "epochs": history.epochs,
            "best_epoch": history.best_epoch,
            "seconds": history.seconds,
            "stopped_early": history.stopped_early,
            "interrupted": stopped,
            "history": dict(history),
        },
        "scores": None if scores is None else scores.document(),
        "model": str(out),
    }
