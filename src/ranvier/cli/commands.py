"""The commands and their options; each hands over to a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ranvier import __version__
from ranvier.cli import use
from ranvier.cli.cache import cache as show_cache
from ranvier.cli.doctor import doctor as show_doctor
from ranvier.cli.explain import TrialOptions, diagnose, write_report
from ranvier.cli.network_text import layer_words
from ranvier.cli.report import ends_cleanly
from ranvier.cli.resume import resume as resume_training
from ranvier.cli.train import TrainOptions
from ranvier.cli.train import train as run_training
from ranvier.foundation.errors import ArgumentError
from ranvier.losses import LOSSES
from ranvier.losses.resolve import FAMILIES
from ranvier.optimizers import OPTIMIZERS

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train neural networks on tables and pictures, and use them, without writing Python.",
)

DATA_HELP = (
    "A built-in (digits, iris, breast_cancer, xor, spirals), a .csv or .tsv table, an .npz "
    "archive, an IDX file, or a folder of IDX files."
)
OPTIMIZER_NAMES = ", ".join(OPTIMIZERS)
LOSS_NAMES = ", ".join([*FAMILIES, *LOSSES])
NETWORK_HELP = (
    'Layers, as in "dense 64 relu, dropout 0.2, dense 10". Known: '
    f"{', '.join(layer_words())}, and the names of activations."
)
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ranvier {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Train neural networks on tables and pictures, and use them, without writing Python."""


@app.command()
@ends_cleanly
def train(
    data: Data,
    target: Annotated[
        str | None, typer.Option(help="The column of a table that is to be learnt.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="What the targets are: classes or numbers.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help=NETWORK_HELP),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often to see all rows.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 32,
    optimizer: Annotated[str, typer.Option(help=f"One of {OPTIMIZER_NAMES}.")] = "adam",
    learning_rate: Annotated[
        float | None, typer.Option(help="Of the optimizer; left out: its own default.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help=f"Left out: cross_entropy for classes, else mse. One of {LOSS_NAMES}."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without improvement before it stops.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order of rows, splits.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    out: Annotated[
        Path | None, typer.Option(help="The model file; left out: NAME.safetensors, here.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the learning curves into this picture.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Keep the training in this file; ranvier resume goes on from it."),
    ] = None,
    every: Annotated[
        str, typer.Option(help='How often: "30 seconds", "epoch", "100 steps".')
    ] = "30 seconds",
    as_json: Json = False,
) -> None:
    """Train a network on DATA, score it on rows it has not seen, and save it.

    Ctrl-C stops the training at any moment and keeps the best weights so far.
    """
    code = run_training(
        TrainOptions(
            data=data,
            target=target,
            kind=kind,
            network=network,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            loss=loss,
            patience=patience,
            seed=seed,
            dtype=dtype,
            out=out,
            plot=plot,
            as_json=as_json,
            checkpoint=checkpoint,
            every=every,
        )
    )
    raise typer.Exit(code)


@app.command()
@ends_cleanly
def resume(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="FILE", help="What ranvier train --checkpoint wrote.")
    ],
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the whole training; left out: as it was.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Go on with a training that was killed or stopped, exactly where it was."""
    raise typer.Exit(resume_training(checkpoint, epochs, as_json))


@app.command()
@ends_cleanly
def predict(
    model: Model,
    data: Data,
    out: Annotated[Path | None, typer.Option(help="A CSV file; left out: CSV on stdout.")] = None,
    as_json: Json = False,
) -> None:
    """Answer for each row of DATA: a class and its probabilities, or numbers."""
    use.predict(model, data, out, as_json)


@app.command()
@ends_cleanly
def evaluate(model: Model, data: Data, as_json: Json = False) -> None:
    """Score MODEL on the rows of DATA that have targets."""
    use.evaluate(model, data, as_json)


@app.command()
@ends_cleanly
def inspect(model: Model, as_json: Json = False) -> None:
    """Show what a model file holds: structure, classes, preparation, versions, parameters."""
    use.inspect(model, as_json)


TriedOptimizer = Annotated[
    str | None, typer.Option(help=f"Try training a copy with it: one of {OPTIMIZER_NAMES}.")
]
TriedRate = Annotated[
    float | None, typer.Option(help="The rate to try; left out: the optimizer's own.")
]
TriedBatch = Annotated[int, typer.Option(min=1, help="Rows of a step to try.")]


@app.command()
@ends_cleanly
def doctor(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL", help="A model file to look at.")
    ] = None,
    data: Annotated[str | None, typer.Argument(metavar="DATA]", help=DATA_HELP)] = None,
    optimizer: TriedOptimizer = None,
    learning_rate: TriedRate = None,
    batch_size: TriedBatch = 32,
    as_json: Json = False,
) -> None:
    """Name what ails MODEL, its training or DATA; alone: show versions, processor and extras."""
    if model is None:
        show_doctor(as_json)
        return
    if data is None:
        raise ArgumentError(
            "ranvier doctor MODEL needs data too.",
            happened=f"only {model} was given",
            needed="the data that the model was trained on",
            fix=f"write ranvier doctor {model} DATA",
        )
    diagnose(model, data, TrialOptions(optimizer, learning_rate, batch_size), as_json)


@app.command()
@ends_cleanly
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all that is in it.")] = False,
    as_json: Json = False,
) -> None:
    """Show where compiled code is kept for the next process, and how much; or empty it."""
    show_cache(clear, as_json)


@app.command()
@ends_cleanly
def explain(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder for report.html.")] = Path("explained"),
    example: Annotated[int, typer.Option(min=0, help="The row to step through.")] = 0,
    optimizer: TriedOptimizer = None,
    learning_rate: TriedRate = None,
    batch_size: TriedBatch = 32,
    as_json: Json = False,
) -> None:
    """Write one HTML page about MODEL: diagram, findings, an example in numbers, mistakes."""
    trial = TrialOptions(optimizer, learning_rate, batch_size)
    write_report(model, data, out, example, trial, as_json)
