"""A model and its rows as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

from ranvier.explain.colours import SEQUENTIAL, Pixels, coloured, data_uri, picture_of_data
from ranvier.explain.diagram import network_diagram
from ranvier.explain.doctor import doctor
from ranvier.explain.findings import Diagnosis
from ranvier.explain.mistakes import Mistakes, mistakes
from ranvier.explain.pictures import Picture, activations, weight_picture
from ranvier.explain.regions import decision_regions
from ranvier.explain.step_through import step_through
from ranvier.explain.subject import ModelLike, Subject, subject_of
from ranvier.explain.surface import ErrorSurface, error_surface
from ranvier.optimizers import OptimizerLike

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: white; }
h1, h2, h3 { line-height: 1.2; } h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem; }
pre { font: 12px/1.35 ui-monospace, monospace; background: #f6f6f6; padding: .8rem; overflow: auto;
      max-height: 40rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .55rem; text-align: right; }
th { font-weight: 600; } figure { display: inline-block; margin: .6rem 1.2rem .6rem 0;
     vertical-align: top; } figcaption { font-size: 13px; color: #555; max-width: 30rem; }
img { image-rendering: pixelated; border: 1px solid #ddd; }
.diagram { overflow: auto; } .finding { border-left: 4px solid #c33; padding: .1rem .9rem;
           margin: .8rem 0; background: #fdf5f5; } .suspicion { border-color: #d90; }
.well { border-left: 4px solid #2a7; padding: .1rem .9rem; background: #f3fbf6; }
""".strip()

#: Rows that the surface, the doctor and the pictures look at.
ROWS = 1000
#: Parameters beyond which no surface is drawn: each place is a whole forward pass.
MOST_FOR_SURFACE = 300_000


def report(
    model: ModelLike,
    x: object,
    y: object,
    *,
    title: str = "A Ranvier model",
    summary: str = "",
    notes: Sequence[str] = (),
    column_names: Sequence[str] = (),
    validation: tuple[object, object] | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
    optimizer: OptimizerLike | None = None,
    batch_size: int | None = 32,
    example: int = 0,
    seed: int = 0,
    engine: str = "native",
) -> str:
    """A page about a model: what it is, what ails it, what it does with an example, where it errs.

    Everything is inside the page: pictures are SVG and PNG in its text, nothing is loaded.

    **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

    Args:
        model: built, with one input and one output.
        x, y: rows, as for `evaluate`.
        title: of the page.
        summary: text about the model, such as ``model.summary()``.
        notes: sentences about the data.
        column_names: of a table.
        validation, history, optimizer, batch_size, seed, engine: as of :func:`doctor`.
        example: the row that is stepped through.

    Returns:
        The HTML text.

    Raises:
        NotBuiltError: before the first fit or build.
        ArgumentError: several inputs or outputs.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> model = rv.Sequential(rv.Dense(2)).build((2,))
        >>> page = rv.explain.report(model, np.eye(2), [0, 1], title="Two", engine="reference")
        >>> page[:15], "Two" in page, "http://" in page.replace("http://www.w3.org", "")
        ('<!DOCTYPE html>', True, False)
    """
    subject = subject_of("report", model, x, y)
    wrong = mistakes(model, x, y)
    found = doctor(
        model, x, y, validation=validation, history=history, optimizer=optimizer,
        batch_size=batch_size, rows=ROWS, seed=seed, engine=engine,
    )  # fmt: skip
    row = example % subject.rows
    one = (subject.x[0][row], _raw_target(y, row))
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        _paragraphs(notes),
        _section("Summary", _pre(summary) if summary else "", _pre(_columns(column_names))),
        _section("The network", _diagram(model, subject, row)),
        _section("What the doctor says", _findings(found)),
        _section("Where it is wrong", _mistakes(wrong), _worst_pictures(subject, wrong)),
        _section(f"One example, step by step (row {row})", _pre(str(step_through(model, *one)))),
    ]
    if "weights_not_finite" not in found.names:
        parts += [
            _section("Weights and activations", *_pictures(model, subject)),
            _section("The error around these weights", *_landscapes(model, subject, seed, engine)),
        ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _raw_target(y: object, row: int) -> object:
    return np.asarray(y)[row]


def _section(heading: str, *parts: str) -> str:
    inner = "\n".join(part for part in parts if part)
    return f"<h2>{html.escape(heading)}</h2>\n{inner}" if inner else ""


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)


def _pre(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>" if text else ""


def _columns(names: Sequence[str]) -> str:
    return "\n".join(f"input {place}: {name}" for place, name in enumerate(names))


def _diagram(model: ModelLike, subject: Subject, row: int) -> str:
    words = (
        "Lines are weights: red above 0, blue below, as wide as they are large within their layer. "
        f"Circles have the colours of row {row}; point at one for its number."
    )
    picture = network_diagram(model, subject.x[0][row : row + 1])
    return f'<p>{words}</p>\n<div class="diagram">{picture}</div>'


def _findings(found: Diagnosis) -> str:
    if found.healthy:
        parts = ['<div class="well"><p>Nothing was found that ails this model.</p></div>']
    else:
        parts = [
            f'<div class="finding {html.escape(one.severity)}"><h3>{html.escape(one.name)} '
            f"<small>({html.escape(one.severity)}; {html.escape(one.where)})</small></h3>"
            f"<p>{html.escape(one.sentence)}.</p>"
            f"<p><b>What to do:</b> {html.escape(one.remedy)}.</p>"
            "</div>"
            for one in found.findings
        ]
    lines = str(found).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(("Layers", "Measured")))
    return "\n".join([*parts, _pre("\n".join(lines[start:]))])


def _mistakes(wrong: Mistakes) -> str:
    parts = []
    if wrong.confusion is not None and wrong.right is not None:
        parts.append(f"<p>{wrong.right:.2%} of {wrong.rows} rows are right. Down: what they are; "
                     "to the right: what the model says.</p>")  # fmt: skip
        parts.append(_confusion(wrong))
    parts.append("<h3>The rows with the largest losses</h3>")
    items = "".join(f"<li>{html.escape(str(one))}</li>" for one in wrong.worst)
    return "\n".join([*parts, f"<ol>{items}</ol>"])


def _confusion(wrong: Mistakes) -> str:
    counts = wrong.confusion
    if counts is None or len(wrong.class_names) > 30:
        return ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in wrong.class_names)
    lines = []
    for row, name in enumerate(wrong.class_names):
        cells = []
        for column, count in enumerate(counts[row]):
            share = float(count) / max(1.0, float(counts[row].sum()))
            tone = "34,136,51" if row == column else "204,51,51"
            cells.append(f'<td style="background:rgba({tone},{0.75 * share:.2f})">{count}</td>')
        lines.append(f"<tr><th>{html.escape(name)}</th>{''.join(cells)}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _worst_pictures(subject: Subject, wrong: Mistakes) -> str:
    """The worst rows themselves, where examples are pictures."""
    parts = []
    for one in wrong.worst:
        pixels = picture_of_data(subject.x[0][one.row])
        if pixels is None:
            return ""
        words = one.answer + one.verdict
        parts.append(_figure(pixels, words, 96))
    return "\n".join(parts)


def _figure(pixels: Pixels, words: str, width: int) -> str:
    return (
        f'<figure><img src="{data_uri(pixels)}" width="{width}" alt="{html.escape(words)}">'
        f"<figcaption>{html.escape(words)}</figcaption></figure>"
    )


def _picture(picture: Picture) -> str:
    pixels = picture.pixels()
    scale = f"from {picture.low:.4g} to {picture.high:.4g}"
    words = f"{picture.title}, {scale}" + (" (blue, white at 0, red)" if picture.signed else "")
    # Small pictures are drawn larger, by whole numbers of pixels.
    factor = max(1, round(480 / max(pixels.shape[:2])))
    return _figure(pixels, words, pixels.shape[1] * factor)


def _pictures(model: ModelLike, subject: Subject) -> list[str]:
    """Weights of each layer that has some, and what it gives for the first rows."""
    parts, network = [], model.network
    for number, layer in enumerate(network.layers):
        if "weight" not in layer.values or layer.values["weight"].ndim not in (2, 4):
            continue
        parts.append(_picture(weight_picture(model, number)))
        given = activations(model, subject.x[0][:64], number)
        parts.append(_picture(given.picture()))
    return parts


def _landscapes(model: ModelLike, subject: Subject, seed: int, engine: str) -> list[str]:
    parts = []
    numbers = sum(array.size for array in model.network.parameters.values())
    if numbers <= MOST_FOR_SURFACE and model.network.trainable:
        small = subject.sample(200, seed)
        found = error_surface(
            model, small.x[0], _plain_targets(small), points=25, rows=200, seed=seed, engine=engine
        )
        parts.append(_surface(found))
    plane = model.network.input_shape == (2,)
    if plane and (subject.for_classes or model.network.output_shape == (1,)):
        small = subject.sample(ROWS, seed)
        regions = decision_regions(model, small.x[0], _plain_targets(small), engine=engine)
        words = f"What it says over input 0 (to the right, {regions.first[0]:.3g} to "
        words += f"{regions.first[-1]:.3g}) and input 1 (upwards, {regions.second[0]:.3g} to "
        words += f"{regions.second[-1]:.3g})"
        names = ", ".join(regions.class_names)
        parts.append(_figure(regions.pixels(), words + (f": {names}" if names else ""), 375))
    return parts


def _plain_targets(subject: Subject) -> object:
    """Targets as a user would give them: classes by their labels."""
    learnt = subject.model.preparations[0]
    if subject.for_classes and learnt is not None and learnt.class_values:
        return learnt.class_array[subject.targets[0]]
    return subject.targets[0]


def _surface(found: ErrorSurface) -> str:
    """The landscape with a ring where the weights are."""
    shown = found.levels()
    pixels = coloured(shown, float(np.nanmin(shown)), float(np.nanmax(shown)), SEQUENTIAL)[::-1]
    ring = '<circle cx="190" cy="190" r="6" fill="none" stroke="white" stroke-width="2"/>'
    return (
        '<figure><svg width="380" height="380" viewBox="0 0 380 380">'
        f'<image href="{data_uri(pixels)}" width="380" height="380"/>{ring}</svg>'
        f"<figcaption>{html.escape(_surface_words(found))}</figcaption></figure>"
    )


def _surface_words(found: ErrorSurface) -> str:
    here = found.losses[len(found.second) // 2, len(found.first) // 2]
    low, high = float(np.nanmin(found.losses)), float(np.nanmax(found.losses))
    return (
        f"The loss over two random directions; these weights are in the ring ({here:.4g}). Dark "
        f"is low: from {low:.4g} to {high:.4g}."
    )
