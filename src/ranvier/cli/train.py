"""`ranvier train`: from a file to a trained, scored and saved model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.cli.defaults import (
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
from ranvier.data import Dataset, Targets, open_dataset
from ranvier.foundation.errors import DataError
from ranvier.models import EarlyStopping, Model, Sequential
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


def train(options: TrainOptions) -> int:
    """Do the whole job.

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
    out = options.out or Path(f"{Path(dataset.name).name.split('.')[0]}.safetensors")
    check_model_place(out)
    if options.plot is not None:
        check_plot(options.plot)
    report.heading("Data")
    report.say("\n".join(dataset.notes))
    model, history, stopped = _fit(options, dataset, report)
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
    report.say(f"Next: ranvier predict {out} DATA, or in Python rv.load({str(out)!r}).")
    report.document(_document(options, dataset, model, history, scores, out, stopped))
    return INTERRUPTED if stopped else 0


def _fit(
    options: TrainOptions, dataset: Dataset, report: Report
) -> tuple[Sequential, History, bool]:
    x, targets = dataset.inputs, _targets(dataset)
    chosen = parse_network(options.network) if options.network else default_layers(dataset)
    model = Sequential(*flattened(chosen, dataset), dtype=options.dtype)
    plan = schedule(len(x), options.batch_size, options.epochs, options.patience)
    callbacks = [] if plan.patience is None else [EarlyStopping(patience=plan.patience)]
    program = model.training_program(
        x,
        targets,
        loss=options.loss,
        optimizer=_optimizer(options),
        batch_size=options.batch_size,
        validation=plan.validation,
        callbacks=callbacks,
        seed=options.seed,
    )
    report.heading("Network")
    report.say(model.summary())
    report.heading("Training")
    report.say(_training_text(options, model, plan.epochs, plan.patience, plan.validation))
    line = ProgressLine(report.stream, report.width)
    history = program.run(plan.epochs, on_progress=line)
    line.finish(final_text(history))
    if history.notes:
        report.say("\n".join(history.notes))
    return model, history, history.interrupted


def _targets(dataset: Dataset) -> Targets:
    if dataset.y is None:
        raise DataError(
            f"{dataset.name} has no targets to learn.",
            happened="it holds examples only",
            needed="a label or a number for each example",
            fix="give a table with a target column (--target), or an archive with x and y",
        )
    preparation = dataset.preparation
    if dataset.task == "regression":
        return Targets("numbers", preparation.scale_targets(dataset.y))
    return Targets("classes", dataset.y, dataset.class_names, preparation.class_array)


def _optimizer(options: TrainOptions) -> Optimizer:
    if options.learning_rate is None:
        return OPTIMIZERS[options.optimizer]()
    kind = OPTIMIZERS[options.optimizer]
    return kind.from_config({**kind().config(), "learning_rate": options.learning_rate})


def _training_text(
    options: TrainOptions,
    model: Model,
    epochs: int,
    patience: int | None,
    validation: float | None,
) -> str:
    loss = "" if model.loss is None else model.loss.describe()
    parts = [
        f"{loss}, {_optimizer(options).describe()}, batches of {options.batch_size}, "
        f"at most {epochs} epochs, seed {options.seed}"
    ]
    if validation is not None:
        parts.append(f"{validation:.0%} of the training rows are kept for validation")
    if patience is not None:
        watched = "validation loss" if validation is not None else "loss"
        parts.append(f"stops after {patience} epochs without a better {watched}")
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
