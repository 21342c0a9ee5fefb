"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ranvier.foundation.pictures import check_picture, new_figure, save_picture

PURPOSE = "A picture of the learning curves"


def check_plot(path: Path) -> None:
    """Find out before training whether a picture can be drawn and where it goes.

    Raises:
        MissingExtraError: without matplotlib.
        FileError: no such folder, or an ending that is no picture's.
    """
    new_figure(PURPOSE, 1.0, 1.0)
    headline = f"--plot: the picture {str(path)!r} cannot be written."
    check_picture(path, headline, "for example --plot curves.png")


def plot_history(history: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Draw each quantity of a history over the epochs, training and validation together.

    Args:
        history: names and one number an epoch.
        title: of the picture.
        path: of the file; its ending decides on the format.

    Raises:
        FileError: if the file cannot be written.
    """
    names = [name for name in history if not name.startswith("val_")]
    figure = new_figure(PURPOSE, 5.5 * len(names), 4.0)
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), place)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                axes.plot(range(1, len(history[key]) + 1), history[key], label=label)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    save_picture(figure, path, "give another place with --plot")
