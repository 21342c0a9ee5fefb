"""Handwritten digits with nothing but the package: train, score, look inside, save, load.

Run it with: python examples/digits.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import ranvier as rv


def main() -> None:
    """Train and look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few epochs only")
    epochs = 5 if parser.parse_args().quick else 60

    data = rv.open_dataset("digits")
    print("\n".join(data.notes))
    model = rv.Sequential(
        rv.Flatten(), rv.Dense(128, activation="relu"), rv.Dropout(0.2), rv.Dense(10)
    )
    history = model.fit(
        data.inputs,
        data.y,
        epochs=epochs,
        validation=0.1,
        callbacks=[rv.EarlyStopping(patience=10)],
        verbose=True,
    )
    print(model.summary())
    scores = model.evaluate(data.test_inputs, data.test_y)
    print(f"test accuracy {scores['accuracy']:.4f} after {history.epochs} epochs")

    found = model.predict_classes(data.test_inputs)
    wrong = np.flatnonzero(found != data.test_y)
    print(f"{len(wrong)} of {len(found)} wrong; first: ", end="")
    print(", ".join(f"{data.test_y[i]} read as {found[i]}" for i in wrong[:5]))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"
        model.save(path)
        same = np.array_equal(
            rv.load(path).predict(data.test_inputs), model.predict(data.test_inputs)
        )
        print(f"saved in {path.stat().st_size:,} bytes; loaded again, it answers the same: {same}")


if __name__ == "__main__":
    main()
