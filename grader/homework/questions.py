"""What the probes are asked, drawn at random by the parent for each grading and stored with the evidence."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from grader.contract import First
from grader.formats.code import parsed
from grader.homework.expected import LayerPlan, Task
from grader.records import Definition, Evidence, Question

_STEPS = 19  # an epoch: as 469 steps modulo 50, so that `step % 50 == 0` behaves as in the homework
EPOCH, VALIDATION = 469, 79  # batches of the homework's own sets: a loop that ends later ends nothing early
_SIDE, _CLASSES, _BATCH, _TRAIN, _TEST = 28, 10, 128, 60_000, 10_000  # of the homework's own images and training
_COUNTS = frozenset((EPOCH, VALIDATION, _TRAIN, _TEST))  # code that holds one of them may count with it
_MOST_LARGE = 300  # of so large images: all weights are noted at each step, and an answer has its limit
_FEWEST_BOUND = 8
_LARGE = 200.0  # inputs so large give gradients in the hundreds, as the homework's `relu` has: clipping shows
_MOST_STEPS = 120  # of an epoch, at the full rate: with more of them each is as much smaller, or units saturate
_FAR = 5.0  # a weight as large as the largest of the homework's first ones: a bound on weights shows
_TALLEST, _WIDEST = 5, 6  # of the part of an image that is lit
_CASES = ("ordinary", "wide", "narrow", "constant", "single")


def draw(definitions: Mapping[str, Definition], rng: np.random.Generator) -> tuple[Question, ...]:
    """One question for each definition that was found."""
    makers = {"fit_generator": _fit_generator, "BatchNormFixed": _batch_norm, "preprocess": _preprocess}
    return tuple(makers[name](definition, rng) for name, definition in definitions.items())


def share_of_data(definitions: Mapping[str, Definition], first: First) -> First:
    """How much of the data a notebook is run with instead of `first`: all of a part whose numbers its training counts with.
    A sum that is divided by 10,000 is no mean on fewer."""
    definition = definitions.get("fit_generator")
    if first is None or definition is None:
        return first
    held, (train, _, whole) = _held(definition.source), first
    if held & {EPOCH, _TRAIN}:
        return None
    return (train, whole, whole) if held & {VALIDATION, _TEST} else first


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list("bcdfghklmnprstvz"), size=6))


# --- fit_generator --------------------------------------------------------------------------------------------------


def _fit_generator(definition: Definition, rng: np.random.Generator) -> Question:
    code, held = definition.source, _held(definition.source)
    epochs = int(rng.integers(6, 8))
    steps = max(_STEPS, 2 * largest_interval(code) // epochs + 1)  # of an epoch, for two points at least
    scenarios = [
        _scenario("main", rng, held, normed=True, epochs=epochs, steps=steps, optimizer="adam"),
        _scenario("second", rng, held, epochs=2, steps=int(rng.integers(4, 8)), optimizer="sgd", scale=_LARGE),
    ]
    bound = largest_bound(code)
    if bound and not held & _COUNTS:  # a pass that is cut short shows only where there is more to pass over
        scenarios.append(_scenario("long", rng, held, epochs=1, steps=bound + 3, optimizer="sgd", rest=bound + 3))
    arrays = {f"{s['name']}_{key}": value for s, own in scenarios for key, value in own.items()}
    settings: dict[str, object] = {"name": definition.name, "scenarios": [s for s, _ in scenarios]}
    return Question(probe="fit_generator", definition=definition, settings=settings, arrays=arrays)


def _rate(optimizer: str, rng: np.random.Generator) -> float:
    return float(rng.uniform(0.01, 0.03) if optimizer == "adam" else rng.uniform(0.002, 0.006))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Height and width of images, classes, samples of a batch, samples of each part."""

    image: tuple[int, int]
    classes: int
    batch: int
    samples: Mapping[str, int]


def _scenario(
    name: str,
    rng: np.random.Generator,
    held: AbstractSet[float],
    *,
    epochs: int,
    steps: int,
    optimizer: str,
    normed: bool = False,
    rest: int = 0,
    scale: float = 1.0,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A small network and data: tanh units, so that no feature is constant and the flawed batch norm stays finite. The
    validation set has so many batches that an accuracy taken while weights change is not right by luck in all epochs.
    With `scale` the inputs are as much larger, the first weights smaller, and the steps so small that it stays calm."""
    sizes = _sizes(held, rng, steps, rest)
    hidden = (int(width) for width in rng.integers(5, 9, size=int(rng.integers(1, 3))))
    widths = [sizes.image[0] * sizes.image[1], *hidden, sizes.classes]
    layers = [_dense(rng, i, o, "tanh") for i, o in pairwise(widths)]
    layers[-1]["activation"] = "softmax"
    if normed:
        layers.insert(
            int(rng.integers(1, len(layers))), {"kind": "batch_norm", "name": _word(rng), "activation": "linear"}
        )
    scenario = {
        "name": name,
        "layers": layers,
        "epochs": epochs,
        "batch_size": sizes.batch,
        "optimizer": optimizer,
        "rate": _rate(optimizer, rng) / scale**2 / max(1.0, sizes.samples["train"] / sizes.batch / _MOST_STEPS),
        "scale": scale,
    }
    arrays = {f"p{i}": value for i, value in enumerate(_parameters(layers, rng))}
    arrays["p0"] /= scale
    if scale > 1.0:
        arrays[f"p{len(arrays) - 2}"][0, 0] = rng.choice([-_FAR, _FAR])
    for part, count in sizes.samples.items():
        lit = _lit(count, sizes.image, rng)
        arrays[f"x_{part}"] = _framed(lit, sizes.image)
        arrays[f"y_{part}"] = _labels(lit, sizes.classes, rng)
    return scenario, arrays


def _held(code: str) -> AbstractSet[float]:
    """All numbers that code names. One that divides the steps it logs so that they grow from epoch to epoch only where there are
    469 of them (`step // 100`) counts with these."""
    tree = parsed(code)
    nodes = list(ast.walk(tree))
    found = (node.value for node in nodes if isinstance(node, ast.Constant))
    held = {value for value in found if isinstance(value, int | float)}
    divides = any(
        isinstance(node, ast.Div | ast.FloorDiv) for node in nodes
    )  # few do: the rest need not be looked through
    return held | {EPOCH} if divides and any(_STEPS < n <= EPOCH for n in _step_divisors(tree)) else held


def _step_divisors(tree: ast.Module) -> list[float]:
    """The numbers that what is logged as a step is divided by: `step=n // 100`, or `point = int(n / 100)` and `step=point`."""
    named, logged = _constants(tree), _steps_logged(tree)
    names = {node.id for step in logged for node in ast.walk(step) if isinstance(node, ast.Name)}
    divided = [node for step in [*logged, *_given_to(names, tree)] for node in ast.walk(step)]
    rights = [n.right for n in divided if isinstance(n, ast.BinOp) and isinstance(n.op, ast.FloorDiv | ast.Div)]
    rights += [n.value for n in divided if isinstance(n, ast.AugAssign) and isinstance(n.op, ast.FloorDiv | ast.Div)]
    floats = [n.value for n in rights if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    return [*floats, *(number for right in rights for number in _numbers(right, named))]


def _steps_logged(tree: ast.Module) -> list[ast.expr]:
    """What code gives to `tf.summary` as the step: by name, as the third argument, or to `set_step`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "step"]
    for call in calls:
        name = getattr(call.func, "attr", "")
        found += call.args[2:3] if name in ("scalar", "histogram") else call.args[:1] if name == "set_step" else []
    return found


def _given_to(names: AbstractSet[str], tree: ast.Module) -> list[ast.AST]:
    """The statements that give one of these names a value."""
    nodes = list(ast.walk(tree))
    given: list[tuple[ast.expr, ast.AST]] = [(t, n) for n in nodes if isinstance(n, ast.Assign) for t in n.targets]
    given += [(n.target, n) for n in nodes if isinstance(n, ast.AugAssign)]
    return [node for target, node in given if isinstance(target, ast.Name) and target.id in names]


def _sizes(held: AbstractSet[float], rng: np.random.Generator, steps: int, rest: int) -> _Sizes:
    """Sizes of a small homework; the homework's own where code holds them."""
    image = int(rng.integers(3, _TALLEST + 1)), int(rng.integers(4, _WIDEST + 1))
    classes, batch = int(rng.integers(4, 7)), int(rng.integers(7, 11))
    train = batch * steps - int(rng.integers(1, batch // 2))
    validation = batch * (rest or int(rng.integers(8, 12))) + int(rng.integers(2, batch - 1))
    if held & _COUNTS:
        batch, train, validation = _BATCH, _TRAIN, _TEST
    return _Sizes(
        image=(_SIDE, _SIDE) if held & {_SIDE, _SIDE**2} and train <= _MOST_LARGE else image,
        classes=_CLASSES if _CLASSES in held else classes,
        batch=batch,
        samples={"train": train, "validation": validation},
    )


def _lit(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """What is lit of images: all of small ones, of larger ones the middle. In the homework's, too, most pixels are 0."""
    return rng.integers(0, 256, size=(count, min(size[0], _TALLEST), min(size[1], _WIDEST))).astype(np.uint8)


def _framed(lit: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images of this size with black around what is lit."""
    around = [(total - held, (total - held) // 2) for total, held in zip(size, lit.shape[1:], strict=True)]
    return np.pad(lit, [(0, 0), *((before, both - before) for both, before in around)])


def largest_bound(source: str) -> int:
    """The largest whole number from 8 to below 469 that code compares with, counts to or cuts at: where a loop over batches
    may end early. What a remainder is taken of (`step % 50`) is none."""
    tree = parsed(source)
    named, found = _constants(tree), set[int]()
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=right):
                parts = [left, *right]
            case ast.Call(func=ast.Name(id="range" | "islice") | ast.Attribute(attr="islice" | "take"), args=parts):
                pass
            case ast.Slice(upper=ast.expr() as upper):
                parts = [upper]
            case _:
                continue
        found |= {number for part in parts for number in _numbers(part, named)}
    return max((n for n in found if _FEWEST_BOUND <= n < EPOCH), default=0)


@lru_cache(maxsize=8)
def largest_interval(source: str) -> int:
    """The largest whole number below 469 that code takes a remainder of: how many steps lie between two points in the logs."""
    tree = parsed(source)
    named = _constants(tree)
    taken = [n.right for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mod)]
    return max((n for right in taken for n in _numbers(right, named) if 0 < n < EPOCH), default=0)


def _constants(tree: ast.Module) -> Mapping[str, int]:
    """Whole numbers that have a name: assigned, or the default of an argument."""
    named: list[tuple[str, ast.expr | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.append((node.targets[0].id, node.value))
        if isinstance(node, ast.arguments):
            own = zip(reversed(node.args), reversed(node.defaults), strict=False)
            named += [(a.arg, value) for a, value in (*own, *zip(node.kwonlyargs, node.kw_defaults, strict=True))]
    return {name: number for name, value in named if value for number in _numbers(value, {})}


def _numbers(node: ast.expr, named: Mapping[str, int]) -> list[int]:
    if isinstance(node, ast.Name) and node.id in named:
        return [named[node.id]]
    return [node.value] if isinstance(node, ast.Constant) and type(node.value) is int else []


def _dense(rng: np.random.Generator, inputs: int, outputs: int, activation: str) -> dict[str, Any]:
    return {"kind": "dense", "name": _word(rng), "activation": activation, "inputs": inputs, "outputs": outputs}


def _parameters(layers: list[dict[str, Any]], rng: np.random.Generator) -> list[np.ndarray]:
    values: list[np.ndarray] = []
    for layer in layers:
        if layer["kind"] == "dense":
            values += [
                rng.normal(size=(layer["inputs"], layer["outputs"])) * 0.4,
                rng.normal(size=(1, layer["outputs"])) * 0.1,
            ]
        else:
            values += [np.asarray(rng.uniform(-0.3, 0.3)), np.asarray(rng.uniform(0.7, 1.3))]
    return values


def _labels(x: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Labels that can partly be learned: a random linear rule, one in five replaced by chance."""
    flat = x.reshape(len(x), -1) / 255.0
    rule = np.sin(np.arange(flat.shape[1])[:, None] * (1 + np.arange(classes)))
    labels = ((flat - 0.5) @ rule).argmax(axis=1)
    return np.where(rng.random(len(x)) < 0.2, rng.integers(0, classes, len(x)), labels).astype(np.int64)


@lru_cache(maxsize=8)
def task_of(evidence: Evidence, name: str) -> Task:
    """The NumPy side of a scenario of the fit_generator probe."""
    scenarios: Any = evidence.question.settings["scenarios"]
    scenario = next(s for s in scenarios if s["name"] == name)
    own = {k.removeprefix(name + "_"): v for k, v in evidence.question.arrays.items() if k.startswith(name + "_")}
    layers = tuple(
        LayerPlan(kind=layer["kind"], name=layer["name"], activation=layer["activation"])
        for layer in scenario["layers"]
    )

    def data(part: str) -> tuple[Any, Any]:
        x = own[f"x_{part}"]
        return x.reshape(len(x), -1).astype(np.float64) / 255.0 * scenario["scale"], own[f"y_{part}"].astype(np.int64)

    return Task(
        layers=layers,
        parameters=tuple(own[f"p{i}"].astype(np.float64) for i in range(2 * len(layers))),
        train=data("train"),
        validation=data("validation"),
        batch_size=scenario["batch_size"],
        epochs=scenario["epochs"],
        optimizer=scenario["optimizer"],
        rate=scenario["rate"],
    )


# --- batch norm and preprocess --------------------------------------------------------------------------------------


def _batch_norm(definition: Definition, rng: np.random.Generator) -> Question:
    rows, columns = int(rng.integers(11, 19)), int(rng.integers(5, 9))
    inputs = {
        "ordinary": rng.normal(size=(rows, columns)) * rng.uniform(3, 9, columns) + rng.uniform(-8, 8, columns),
        "wide": rng.normal(size=(2 * rows, columns)) * 10 ** rng.uniform(0.5, 3, columns) + rng.normal(size=columns),
        "narrow": rng.normal(size=(rows, columns)) * rng.uniform(0.25, 0.6, columns) + rng.uniform(-2, 2, columns),
        "constant": _with_constants(rng, rows, columns),
        "single": rng.normal(size=(1, columns)) * 3,
    }
    arrays = {f"{case}_x": value for case, value in inputs.items()}
    arrays |= {f"{case}_weights": rng.normal(size=value.shape) for case, value in inputs.items()}
    arrays |= {"gamma": np.asarray(rng.uniform(1.5, 3.0)), "beta": np.asarray(rng.uniform(0.5, 2.0))}
    arrays["log_x"] = inputs["ordinary"]
    settings: dict[str, object] = {"name": definition.name, "layer": _word(rng), "cases": list(_CASES)}
    return Question(probe="batch_norm", definition=definition, settings=settings, arrays=arrays)


def _with_constants(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Dead units (zero throughout), and units that give the same value for every sample."""
    x = rng.normal(size=(rows, columns)) * 4
    x[:, 0] = 0.0
    x[:, 1] = rng.integers(1, 30) / 4  # exact in binary, so that the mean is exactly the value
    return x


def _preprocess(definition: Definition, rng: np.random.Generator) -> Question:
    def images(count: int) -> np.ndarray:
        x = rng.integers(0, 256, size=(count, 28, 28)).astype(np.uint8)
        x[0, 0, :2] = 0, 255
        return x

    arrays: dict[str, np.ndarray] = {}
    for case, kind in (("bytes", np.uint8), ("floats", np.float64)):
        arrays[f"{case}_x"] = images(int(rng.integers(3, 12))).astype(kind)
        arrays[f"{case}_y"] = rng.integers(0, 10, size=len(arrays[f"{case}_x"])).astype(np.uint8)
    settings: dict[str, object] = {"name": definition.name, "cases": ["bytes", "floats"]}
    return Question(probe="preprocess", definition=definition, settings=settings, arrays=arrays)
