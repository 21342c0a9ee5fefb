"""Learning curves as a picture. The one file that imports matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.foundation.errors import FileError, missing_extra


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "plots", "A picture of the learning curves") from error
    return Figure


def check_plot(path: Path) -> None:
    """Find out before training whether a picture can be drawn and where it goes.

    Raises:
        MissingExtraError: without matplotlib.
        FileError: no such folder, or an ending that is no picture's.
    """
    _figure_class()
    endings = (".png", ".svg", ".pdf")
    if path.suffix.lower() not in endings or not path.absolute().parent.is_dir():
        raise FileError(
            f"--plot: the picture {str(path)!r} cannot be written.",
            happened="its name does not end as a picture's"
            if path.suffix.lower() not in endings
            else f"there is no folder {str(path.absolute().parent)!r}",
            needed="a file in an existing folder, ending in " + ", ".join(endings),
            fix="for example --plot curves.png",
        )


def plot_history(history: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Draw each quantity of a history over the epochs, training and validation together.

    Args:
        history: names and one number an epoch.
        title: of the picture.
        path: of the file; its ending decides on the format.

    Raises:
        FileError: if the file cannot be written.
    """
    figure_class = _figure_class()
    names = [name for name in history if not name.startswith("val_")]
    figure = figure_class(figsize=(5.5 * len(names), 4.0), layout="constrained")
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), place)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                axes.plot(range(1, len(history[key]) + 1), history[key], label=label)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    try:
        # Without pyplot the figure draws on no screen: the file's ending chooses the canvas.
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise FileError(
            f"The picture {str(path)!r} cannot be written.",
            happened=str(error),
            needed="a folder that may be written to",
            fix="give another place with --plot",
        ) from error
