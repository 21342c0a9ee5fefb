"""The testing room: what keeps a contract passes, what breaks one is named with its contract."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import ranvier as rv
import ranvier.testing
from ranvier import ops
from ranvier.foundation import errors
from ranvier.layers import LAYERS
from ranvier.layers.activations import ACTIVATIONS
from ranvier.testing import (
    ContractError,
    check_activation,
    check_layer,
    check_loss,
    check_metric,
    check_optimizer,
)
from ranvier.testing.contracts import check_engines, difference
from ranvier.testing.training import check_predictions

COUNTER = itertools.count()


@pytest.fixture
def registries() -> Iterator[None]:
    tables: list[dict[str, Any]] = [ACTIVATIONS._things, LAYERS._things]
    before = [dict(table) for table in tables]
    yield
    for table, was in zip(tables, before, strict=True):
        table.clear()
        table.update(was)


# --- what keeps its contract


class Scale(rv.Layer):
    def __init__(self, start: str = "ones") -> None:
        self.start = start

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, rv.Parameter]:
        return {"factor": rv.Parameter(input_shape[-1:], self.start)}

    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        return x * parameters["factor"]


class Cubed(rv.Loss):
    def __call__(self, outputs: Any, targets: Any) -> Any:
        return ops.mean(ops.absolute(outputs - targets) ** 3, axis=1)


class Descent(rv.Optimizer):
    def __init__(self, learning_rate: float = 0.01) -> None:
        self.learning_rate = learning_rate

    def update(self, w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        return w - ops.cast(rate, w.dtype) * g, {}


class Worst(rv.metrics.MeanMetric):
    def of_rows(self, outputs: Any, targets: Any) -> Any:
        return ops.max(ops.absolute(outputs - ops.cast(targets, outputs.dtype)), axis=1)


def swish(x: Any) -> Any:
    return x * ops.sigmoid(x)


def test_the_room_is_public() -> None:
    assert rv.testing is ranvier.testing
    assert issubclass(ContractError, errors.RanvierError)
    assert issubclass(ContractError, AssertionError)
    assert set(rv.testing.__all__) >= {"check_layer", "check_loss", "check_metric"}


@pytest.mark.usefixtures("registries")
def test_a_layer_of_ones_own_passes() -> None:
    check_layer(Scale())
    LAYERS.register("Scale")(Scale)
    check_layer(Scale("glorot_uniform"), (3,))
    check_layer(rv.Dense(3, activation="tanh"))


def test_others_of_ones_own_pass() -> None:
    check_loss(Cubed())
    check_loss(Cubed(), np.eye(3), np.ones((3, 3)))
    check_optimizer(Descent(0.1))
    check_metric(Worst(), np.eye(5)[:, :3], np.ones((5, 3)))
    check_activation(swish)


def test_names_come_from_the_classes() -> None:
    assert (Cubed.name, Descent.name, Worst.name) == ("cubed", "descent", "worst")


# --- what breaks one


class ForgetsItsArgument(Scale):
    def __init__(self, start: str = "ones", power: int = 2) -> None:
        super().__init__(start)


class ChangesItsArgument(Scale):
    def __init__(self, start: str = "ones", power: float = 2.0) -> None:
        super().__init__(start)
        self.power = power / 2.0


class KeepsAnArray(Scale):
    def __init__(self, table: Any = None) -> None:
        super().__init__()
        self.table = np.zeros(3)


class PrintsItself(Scale):
    def __repr__(self) -> str:
        return "a scale"


class MixesRows(Scale):
    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        return (x - ops.mean(x, axis=0)) * parameters["factor"]


class RollsItsOwnDice(Scale):
    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        noise = np.random.default_rng(next(COUNTER)).normal() if context.training else 1.0
        return x * parameters["factor"] * float(noise)


class ReadsAFactFromOutside(Scale):
    """Registered below: what comes back from a file is another layer."""

    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        return x * parameters["factor"] * self.__dict__.setdefault("secret", float(next(COUNTER)))


class AnotherDtype(Scale):
    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        y = x * parameters["factor"]
        return ops.cast(ops.cast(y, "float64"), "float32") if not context.training else y


def _wrong(node: Any, d: Any) -> Any:
    return (3.0 * d,)


@ops.with_gradient(_wrong)
def double(x: Any) -> Any:
    return x * 2.0


class WrongSlope(Scale):
    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        return double(x) * parameters["factor"]


class OnlyPictures(Scale):
    def declare(self, input_shape: tuple[int, ...]) -> dict[str, rv.Parameter]:
        if len(input_shape) != 4:
            raise self.cannot_read(input_shape, "(N, a, b, c, d)", "reshape it")
        return super().declare(input_shape)


class RowMean(Cubed):
    def __call__(self, outputs: Any, targets: Any) -> Any:
        off = outputs - targets
        return ops.mean((off - ops.mean(off, axis=0)) ** 2, axis=1)


class Broadcasts(Cubed):
    def check(self, *arguments: Any, classes: Any = None) -> None:
        """Takes everything."""


class AlwaysFloat64(Cubed):
    def __call__(self, outputs: Any, targets: Any) -> Any:
        return ops.cast(super().__call__(outputs, targets), "float64")


class ReadsNothing(Cubed):
    def check(self, *arguments: Any, classes: Any = None) -> None:
        raise errors.ShapeError("no", happened="no", needed="no", fix="no")


class IgnoresTheRate(Descent):
    def update(self, w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        return w - 0.01 * g, {}


class LosesState(Descent):
    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        return {"mean": 0.0}


class ChangesDtype(Descent):
    def update(self, w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        return w - rate * g, {}


class CountsItsCalls(Descent):
    def update(self, w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        return w - ops.cast(rate, w.dtype) * g * float(next(COUNTER)), {}


class StandsStill(Descent):
    def update(self, w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        return ops.where(ops.broadcast_to(step, w.shape) > 0.5, w, g * ops.cast(rate, w.dtype)), {}


class OfTheBatch(Worst):
    def statistics(self, outputs: Any, targets: Any, weights: Any = None) -> Any:
        rows = self.of_rows(outputs, targets)
        return ops.max(rows), ops.cast(ops.length(rows, 0, rows.dtype), rows.dtype)


class ForgetsWeights(Worst):
    def statistics(self, outputs: Any, targets: Any, weights: Any = None) -> Any:
        return super().statistics(outputs, targets)


class StatisticsOfRows(Worst):
    def statistics(self, outputs: Any, targets: Any, weights: Any = None) -> Any:
        rows = self.of_rows(outputs, targets)
        return rows, ops.sum(rows * 0.0 + 1.0)


class StartsAnywhere(Scale):
    def declare(self, input_shape: tuple[int, ...]) -> dict[str, rv.Parameter]:
        def draw(shape: Any, fan_in: int, fan_out: int, generator: Any) -> Any:
            return np.full(shape, float(next(COUNTER)))

        return {"factor": rv.Parameter(input_shape[-1:], draw)}


class NeverFrozen(Scale):
    def frozen(self, name: str) -> bool:
        return False


class RefusesAll(Worst):
    def of_rows(self, outputs: Any, targets: Any) -> Any:
        raise errors.ShapeError("no", happened="no", needed="no", fix="no")


class MovesFewWeights(Descent):
    """Those with four numbers only."""

    def update(self, w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        return w - ops.cast(rate, w.dtype) * g if w.shape == (4,) else w * 1.0, {}


NUMBERS = (
    np.random.default_rng(0).normal(size=(5, 3)),
    np.random.default_rng(1).normal(size=(5, 3)),
)
BROKEN: tuple[tuple[Callable[[], Any], type[errors.RanvierError], tuple[str, ...]], ...] = (
    (lambda: check_layer(ForgetsItsArgument()), errors.ArgumentError, ("power", "self.power")),
    (lambda: check_layer(ChangesItsArgument()), ContractError, ("from_config", "power")),
    (lambda: check_layer(KeepsAnArray()), ContractError, ("model file", "ndarray")),
    (lambda: check_layer(PrintsItself()), ContractError, ("a scale", "print")),
    (lambda: check_layer(MixesRows()), ContractError, ("MixesRows()", "other rows", "axis 0")),
    (lambda: check_layer(RollsItsOwnDice()), ContractError, ("RollsItsOwnDice()",)),
    (lambda: check_layer(AnotherDtype()), ContractError, ("its prediction", "float64")),
    (lambda: check_layer(WrongSlope()), ContractError,
     ("WrongSlope()", "gradient with respect to x", "with_gradient")),
    (lambda: check_layer(StartsAnywhere()), ContractError, ("same seed", "factor")),
    (lambda: check_layer(NeverFrozen()), ContractError, ("a frozen layer changes", "factor")),
    (lambda: check_layer(Scale("all")), errors.ArgumentError, ("Parameter", "'all'", "ones")),
    (lambda: check_layer(OnlyPictures()), ContractError, ("no input shape", "(N, a, b, c, d)")),
    (lambda: check_layer(OnlyPictures(), (3,)), errors.ShapeError, ("(N, a, b, c, d)",)),
    (lambda: check_layer(rv.Dense), errors.ArgumentError, ("check_layer", "brackets")),
    (lambda: check_layer(rv.Dense(2, activation=swish)), ContractError, ("model file", "register")),
    (lambda: check_loss(RowMean()), ContractError, ("RowMean()", "other rows")),
    (lambda: check_loss(Broadcasts(), *NUMBERS), ContractError, ("broadcasting", "(N, 1)")),
    (lambda: check_loss(AlwaysFloat64()), ContractError, ("float64", "float32")),
    (lambda: check_loss(ReadsNothing()), ContractError, ("no outputs and targets", "give them")),
    (lambda: check_loss(Cubed(), NUMBERS[0]), errors.ArgumentError, ("targets given: False",)),
    (lambda: check_loss(Cubed), errors.ArgumentError, ("MeanSquaredError()",)),
    (lambda: check_optimizer(IgnoresTheRate()), ContractError, ("rate", "schedule")),
    (lambda: check_optimizer(LosesState()), ContractError, ("['mean']", "states")),
    (lambda: check_optimizer(ChangesDtype()), ContractError, ("float32", "ops.cast")),
    (lambda: check_optimizer(CountsItsCalls()), ContractError, ("CountsItsCalls",)),
    (lambda: check_optimizer(MovesFewWeights()), ContractError, ("changes nothing at all",)),
    (lambda: check_optimizer("adam"), errors.ArgumentError, ("check_optimizer", "'adam'")),
    (lambda: check_metric(OfTheBatch(), *NUMBERS), ContractError, ("do not add up",)),
    (lambda: check_metric(ForgetsWeights(), *NUMBERS), ContractError, ("weight 2",)),
    (lambda: check_metric(StatisticsOfRows(), *NUMBERS), ContractError, ("a statistic",)),
    (lambda: check_metric(RefusesAll()), ContractError, ("no outputs and targets", "give them")),
    (lambda: check_metric(Worst(), NUMBERS[0]), errors.ArgumentError, ("targets given: False",)),
    (lambda: check_activation(double), ContractError, ("activation double", "slope")),
    (lambda: check_activation(lambda x: ops.sum(x, axis=0)), ContractError, ("shape",)),
    (lambda: check_activation("swosh"), errors.ArgumentError, ("swosh",)),
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_broken_contract_is_named(number: int) -> None:
    action, kind, parts = BROKEN[number]
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.happened
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)


def test_an_optimizer_that_stands_still_is_found() -> None:
    with pytest.raises(ContractError, match="rate that it is given"):
        check_optimizer(StandsStill())


@pytest.mark.usefixtures("registries")
def test_what_a_file_does_not_give_back_is_found() -> None:
    LAYERS.register("ReadsAFactFromOutside")(ReadsAFactFromOutside)
    with pytest.raises(ContractError, match="ReadsAFactFromOutside"):
        check_layer(ReadsAFactFromOutside(), (3,))


def test_a_gradient_that_is_no_slope_on_purpose_is_excused() -> None:
    check_activation("step", differentiable=False)


def test_differences_are_found() -> None:
    one = np.array([1.0, np.nan, np.inf])
    assert difference(one, one, 0.0) is None
    assert "[1]" in str(difference(one, np.array([1.0, 2.0, np.inf]), 1.0))
    assert "float64" in str(difference(one, one.astype("float32"), 1.0))
    assert difference(np.array([1e6]), np.array([1e6 + 1.0]), 1e-5) is None


def test_engines_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(x: float) -> float:
        return math.inf

    assert broken(0.0) == math.inf
    monkeypatch.setattr(
        "ranvier.testing.contracts.compile",
        lambda function, engine="native": lambda x: function(x) + (engine == "native"),
    )
    with pytest.raises(ContractError, match="native engine"):
        check_engines("a thing", lambda x: x * 2.0, [np.ones(3)])


class Forgetful:
    """Answers differently from its seventh call on."""

    def __init__(self) -> None:
        self.calls = itertools.count()

    def predict(self, x: Any) -> Any:
        return x + (next(self.calls) >= 6)


def test_threads_that_differ_are_found() -> None:
    with pytest.raises(ContractError, match="several threads"):
        check_predictions("a thing", Forgetful(), np.ones((5, 2)))


@pytest.mark.parametrize(
    ("room", "check", "message"),
    [
        ("training", lambda: check_layer(Scale()), "native training"),
        ("optimizers", lambda: check_optimizer(Descent()), "native training"),
        ("metrics", lambda: check_metric(Worst(), *NUMBERS), "add"),
    ],
)
def test_trainings_that_differ_are_found(
    room: str, check: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"ranvier.testing.{room}.difference", lambda *arguments: "everything")
    with pytest.raises(ContractError, match=message):
        check()


@pytest.mark.parametrize(
    ("engine", "message"), [("reference", "native training"), ("native", "weight 2")]
)
def test_losses_that_train_differently_are_found(
    engine: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def program(*arguments: Any) -> Any:
        *_, weights, used = arguments
        wrong = used == engine and (engine == "reference" or weights is None)
        return SimpleNamespace(parameters={}), [2.0 if wrong else 1.0]

    monkeypatch.setattr("ranvier.testing.losses._program", program)
    with pytest.raises(ContractError, match=message):
        check_loss(Cubed(), *NUMBERS)


def test_a_loss_that_says_nothing_reads_numbers() -> None:
    with pytest.raises(errors.DTypeError, match="cannot read the targets") as caught:
        Cubed().check((3,), (), "classes", 3)
    assert "floats" in caught.value.fix

    class OfClasses(rv.Loss):
        reads = "classes"

        def __call__(self, outputs: Any, targets: Any) -> Any:
            return -ops.sum(ops.one_hot(targets, 3, outputs.dtype) * outputs, axis=1)

    OfClasses().check((3,), (), "classes", 3)
    check_loss(OfClasses(), NUMBERS[0], np.array([0, 1, 2, 1, 0], "int32"))


# --- functions as activations


def test_a_function_is_an_activation() -> None:
    layer = rv.Dense(2, activation=swish)
    assert repr(layer) == "Dense(2, activation=swish)"
    assert layer.last_activation == "the function swish"
    assert rv.Dense(2, activation=ops.relu).config() == rv.Dense(2, activation="relu").config()
    x = np.random.default_rng(0).normal(size=(20, 3))
    found = []
    for engine in ("native", "reference"):
        model = rv.Sequential(rv.Dense(4, activation=swish), rv.Dense(1), dtype="float64")
        model.fit(x, x[:, :1], epochs=2, engine=engine, verbose=False)
        found.append(model.predict(x, engine=engine))
    np.testing.assert_allclose(*found, rtol=1e-10)


@pytest.mark.usefixtures("registries")
def test_a_function_is_saved_once_it_has_a_name(tmp_path: Any) -> None:
    path = tmp_path / "model.safetensors"
    model = rv.Sequential(rv.Dense(2, activation=swish)).build((3,))
    with pytest.raises(errors.ArgumentError, match="the function swish") as caught:
        model.save(path)
    assert 'register("swish")' in caught.value.fix
    ACTIVATIONS.register("swish")(swish)
    model = rv.Sequential(rv.Dense(2, activation=swish)).build((3,))
    model.save(path)
    x = np.ones((4, 3), "float32")
    assert (rv.load(path).predict(x) == model.predict(x)).all()
    check_activation("swish")
    check_layer(rv.Dense(2, activation=swish))


def test_functions_of_numpy_are_refused() -> None:
    for make in (rv.Dense, lambda units, activation: rv.Activation(activation)):
        with pytest.raises(errors.ArgumentError, match=r"numpy\.tanh") as caught:
            make(2, activation=np.tanh)
        assert "ranvier.ops.tanh" in caught.value.fix


@pytest.mark.usefixtures("registries")
def test_a_thing_that_is_defined_again_takes_its_place() -> None:
    def make(scale: float) -> Any:
        return lambda x: x * scale

    first, second = make(1.0), make(2.0)
    ACTIVATIONS.register("scaled")(first)
    with pytest.raises(errors.ArgumentError, match="two activations"):
        ACTIVATIONS.register("scaled")(second)
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for factor in (2.0, 3.0):
        exec(f"def grow(x): return x * {factor}", namespace)
        ACTIVATIONS.register("grow")(namespace["grow"])
    assert ACTIVATIONS["grow"](1.0) == 3.0


def test_a_loss_needs_only_its_formula() -> None:
    loss = Cubed()
    loss.check((3,), (3,), "numbers")
    with pytest.raises(errors.ShapeError, match=r"\(N, 1\)"):
        loss.check((3,), (1,), "numbers")

    class NotOfRows(rv.Loss):
        def __call__(self, outputs: Any, targets: Any) -> Any:
            return ops.mean(outputs - targets)

    with pytest.raises(errors.ShapeError, match="one number a row") as caught:
        NotOfRows().check((3,), (3,), "numbers")
    assert "axis=1" in caught.value.fix


def test_whole_powers_of_values() -> None:
    x = np.array([-1.5, 0.5, 2.0])
    for exponent in (1, 2, 3, 4, 5, 6, 7, 12):
        power = rv.compile(lambda x, p=exponent: x**p)
        np.testing.assert_allclose(power(x), x**exponent, rtol=1e-15)
        slope = rv.gradient(lambda x, p=exponent: ops.sum(x**p))(x)
        np.testing.assert_allclose(slope, exponent * x ** (exponent - 1), rtol=1e-14)
    for exponent in (0, -1, 0.5, True, "2"):
        with pytest.raises(errors.TraceError, match="whole powers") as caught:
            rv.compile(lambda x, p=exponent: x**p)(x)
        assert "ops.sqrt" in caught.value.fix


# --- nested arguments of gradients and compiled functions


class Pair(NamedTuple):
    weight: Any
    bias: Any


def of_pair(pair: Pair, x: Any) -> Any:
    return ops.sum((x * pair.weight + pair.bias) ** 2)


@pytest.mark.parametrize("wrap", [lambda f: f, rv.compile], ids=["at once", "compiled"])
def test_named_tuples_and_mappings_keep_their_form(wrap: Any) -> None:
    x, pair = np.array([1.0, 2.0]), Pair(np.array(3.0), np.array([0.0, 1.0]))
    value, (slopes, of_x) = wrap(rv.value_and_gradient(of_pair, (0, 1)))(pair, x)
    assert isinstance(slopes, Pair)
    assert float(value) == 9.0 + 49.0
    assert float(slopes.weight) == 2 * (3 * 1 + 7 * 2)
    assert (slopes.bias == [6.0, 14.0]).all()
    assert (of_x == [18.0, 42.0]).all()
    read_only = MappingProxyType({"w": x})
    assert (wrap(rv.gradient(lambda p: ops.sum(p["w"] * x)))(read_only)["w"] == x).all()


def test_a_gradient_by_what_is_known_while_tracing() -> None:
    known = np.array([1.0, 2.0])
    slope = rv.compile(lambda x: rv.gradient(lambda w, x: ops.sum(w * w * x))(known, x))
    assert slope(np.array([1.0, 10.0])).tolist() == [2.0, 40.0]
    both = rv.compile(lambda x: rv.gradient(lambda p: ops.sum(p[0] * p[1]))([known, x]))
    assert [one.tolist() for one in both(np.array([1.0, 10.0]))] == [[1.0, 10.0], [1.0, 2.0]]


def test_the_second_gradient_of_nested_arguments() -> None:
    def loss(p: Any) -> Any:
        return ops.sum(p["a"] ** 3 * p["b"][0])

    def along(p: Any) -> Any:
        slope = rv.gradient(loss)(p)
        return ops.sum(slope["a"]) + ops.sum(slope["b"][0])

    p = {"a": np.array([2.0]), "b": [np.array([5.0])]}
    for function in (rv.gradient(along), rv.compile(rv.gradient(along))):
        found = function(p)
        assert (found["a"].item(), found["b"][0].item()) == (6 * 2 * 5 + 3 * 4, 3 * 4)


def test_gradients_say_which_part_of_an_argument_is_wrong() -> None:
    nested = {"w": np.ones(2), "steps": [np.int64(3)]}
    with pytest.raises(errors.DTypeError, match="floating-point") as caught:
        rv.gradient(lambda x, p: ops.sum(p["w"]), 1)(0.0, nested)
    assert "argument 1['steps'][0] has dtype int64" in caught.value.happened
    for place in (1, -1):
        with pytest.raises(errors.ArgumentError, match="not there") as missing:
            rv.gradient(lambda x: ops.sum(x), place)(np.ones(2))
        assert f"argument={place}" in missing.value.happened
