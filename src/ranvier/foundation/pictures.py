"""Pictures as files. The one file that imports matplotlib, when a picture is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ranvier.foundation.errors import FileError, missing_extra

ENDINGS = (".png", ".svg", ".pdf")


def new_figure(purpose: str, width: float, height: float) -> Any:
    """An empty figure of a size in inches; it draws on no screen.

    Args:
        purpose: what is drawn, as the error says it: "A picture of the learning curves".
        width, height: in inches.

    Raises:
        MissingExtraError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "plots", purpose) from error
    return Figure(figsize=(width, height), layout="constrained")


def check_picture(path: Path, headline: str, example: str) -> None:
    """Refuse a place where no picture can be written.

    Args:
        path: of the file.
        headline: of the error.
        example: how to do it right.

    Raises:
        FileError: no such folder, or an ending that is no picture's.
    """
    if path.suffix.lower() in ENDINGS and path.absolute().parent.is_dir():
        return
    raise FileError(
        headline,
        happened="its name does not end as a picture's"
        if path.suffix.lower() not in ENDINGS
        else f"there is no folder {str(path.absolute().parent)!r}",
        needed="a file in an existing folder, ending in " + ", ".join(ENDINGS),
        fix=example,
    )


def save_picture(figure: Any, path: Path, fix: str) -> None:
    """Write a figure; the file's ending chooses the format.

    Args:
        figure: of :func:`new_figure`.
        path: of the file.
        fix: what to do if it cannot be written.

    Raises:
        FileError: if the file cannot be written.
    """
    try:
        # Without pyplot the ending chooses the canvas.
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise FileError(
            f"The picture {str(path)!r} cannot be written.",
            happened=str(error),
            needed="a folder that may be written to",
            fix=fix,
        ) from error
