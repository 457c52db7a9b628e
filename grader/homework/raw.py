"""Part 4: raw data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grader.assignment import Assignment
from grader.contract import blocked, failed, partial, passed, undecided
from grader.homework import not_installed
from grader.homework.common import evidence_for, is_untouched, not_found, probe_fault, unlike_notebook
from grader.homework.experiments import goes_on, model_of, needs_training, problems, too_short
from grader.language import counted
from grader.records import Case, Evidence, Finding, Floats, Message, ModelUse, SequenceUse, Verdict, say

WANTED = "preprocess"
RAW = "raw"
_KINDS = ("bytes", "floats")  # of images that the probe asks about
_PIXELS = 100.0  # a batch of images reaches 255; one that stays below this, or goes below 0, is no longer raw


@not_installed.excuses
def preprocess(case: Case, assignment: Assignment) -> Verdict:
    """preprocess turns (n, 28, 28) into (n, 784) and leaves values, range and labels as they are."""
    if WANTED not in case.definitions:
        return not_found(case, WANTED)
    if is_untouched(case, WANTED):
        return failed(_finding(case, say("preprocess is still the template's: nothing has been written yet.")))
    evidence = evidence_for(case, "preprocess")
    if evidence is None:
        return undecided("raw.not_probed", "preprocess was found but could not be tried out.")
    return unlike_notebook(case, evidence, RAW, *_KINDS) or _answered(evidence, case)


def _answered(evidence: Evidence, case: Case) -> Verdict:
    wrong = (probe_fault(evidence, name, case) or _wrong(evidence, name, case) for name in _KINDS)
    finding = next((found for found in wrong if found is not None), None)
    if finding is not None:
        return failed(finding)
    reshaped = _labels_reshaped(evidence, _KINDS[0], case)
    return passed() if reshaped is None else partial(0.5, reshaped)


def _labels_reshaped(evidence: Evidence, name: str, case: Case) -> Finding | None:
    """The finding for labels of the same values in another shape: the training goes on all the same."""
    before, after = evidence.question.arrays[f"{name}_y"].shape, evidence.arrays[f"{name}_out_y"].shape
    said = say("preprocess gives the labels another shape.")
    return None if after == before else _finding(case, said, f"{before}", f"{after}")


def _wrong(evidence: Evidence, name: str, case: Case) -> Finding | None:
    asked, answers = evidence.question.arrays, evidence.arrays
    x, y = asked[f"{name}_x"], asked[f"{name}_y"]
    out_x, out_y = answers.get(f"{name}_out_x"), answers.get(f"{name}_out_y")
    if out_x is None or out_y is None:
        return _finding(case, say("preprocess does not return a pair of arrays (X, y)."), "X, y", say("something else"))
    if out_x.shape != (len(x), 784):
        return _finding(case, say("preprocess gives another shape."), f"{(len(x), 784)}", f"{out_x.shape}")
    flat = x.reshape(len(x), 784).astype(np.float64)
    if not np.allclose(out_x.astype(np.float64), flat, rtol=1e-6, atol=1e-6):
        expected = say("values {span}, in the same order", span=_span(flat))
        return _finding(case, _how_changed(out_x, flat), expected, _changed(out_x.astype(np.float64), flat))
    if not np.array_equal(np.ravel(out_y).astype(np.float64), y.astype(np.float64)):
        return _finding(
            case, say("preprocess changes the labels."), str(y[:5].tolist()), str(np.ravel(out_y)[:5].tolist())
        )
    after = answers.get(f"{name}_x_after"), answers.get(f"{name}_y_after")
    if not all(a is not None and np.array_equal(a, before) for a, before in zip(after, (x, y), strict=True)):
        return _finding(
            case, say("preprocess changes its input in place."), say("the input as it was"), say("a changed input")
        )
    return None


def _how_changed(out: NDArray[np.generic], flat: NDArray[np.float64]) -> Message:
    if np.array_equal(np.sort(out.astype(np.float64), axis=1), np.sort(flat, axis=1)):
        return say("preprocess mixes up the pixels of an image.")
    return say("preprocess changes the values of the pixels.")


def _changed(out: Floats, flat: Floats) -> Message:
    """The range of what came out, and the first pixel that is another one than what went in."""
    image, pixel = np.argwhere(~np.isclose(out, flat, rtol=1e-6, atol=1e-6))[0]
    return say(
        "values {span}; pixel {pixel} of an image is {found:.4g} instead of {wanted:.4g}",
        span=_span(out),
        pixel=int(pixel),
        found=float(out[image, pixel]),
        wanted=float(flat[image, pixel]),
    )


def _span(values: NDArray[np.generic]) -> Message:
    numbers = values.astype(np.float64)
    return say("from {low:.4g} to {high:.4g}", low=float(numbers.min()), high=float(numbers.max()))


def _finding(
    case: Case, message: Message, expected: Message | str | None = None, actual: Message | str | None = None
) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="raw.preprocess_wrong",
        message=message,
        expected=expected,
        actual=actual,
        hint=say(
            "Only the shape may change: reshape each batch to (n, 784) and return it with the labels, without scaling."
        ),
        cell=definition.cell,
        line=definition.line,
    )


@not_installed.excuses_runs
@needs_training(RAW)
def run(case: Case, assignment: Assignment) -> Verdict:
    """raw was run on raw train and test sequences with DenseSmart, and logged."""
    found = problems(case, assignment, RAW)
    function_is_wrong = preprocess(case, assignment).share < 1.0
    if found:
        missing_run = any(finding.code == "run.missing" for finding in found)
        return blocked("raw.preprocess", *found) if missing_run and function_is_wrong else failed(*found)
    model = model_of(case, RAW)
    if model is None:
        return passed()
    scaled = [sequence for sequence in model.sequences if not (sequence.high >= _PIXELS and sequence.low >= 0.0)]
    if not scaled:
        bad = too_short(case, assignment, RAW) or goes_on(case, assignment, RAW)
        mixed = _mixed(model, labels_tell=not function_is_wrong)
        return failed(bad) if bad is not None else partial(0.5, mixed) if mixed is not None else passed()
    if function_is_wrong and len(scaled) == len(model.sequences):
        return blocked("raw.preprocess", _scaled_finding(scaled))
    return partial(0.5 if len(scaled) < len(model.sequences) else 0.0, _scaled_finding(scaled))


def _mixed(model: ModelUse, *, labels_tell: bool) -> Finding | None:
    """The finding for sequences that hold the same images, or images of one set with the labels of another. Labels tell nothing
    where `preprocess` spoils them."""
    sets = model.image_sets
    if len(set(sets[:2])) < len(sets[:2]):
        return _validated_on_training()
    alike = len(sets) > 1 and len({labels for _, labels in sets}) == 1
    return _labels_of_training() if labels_tell and alike else None


def _validated_on_training() -> Finding:
    return Finding(
        code="raw.validated_on_training",
        message=say("In the run raw both sequences hold the same images: it is validated on what it is trained on."),
        expected=say("raw training images in one sequence, raw test images in the other"),
        actual=say("the same images in both"),
        hint=say("Make the second sequence of X_test and y_test."),
        run=RAW,
    )


def _labels_of_training() -> Finding:
    return Finding(
        code="raw.labels_of_training",
        message=say("In the run raw both sequences begin with the same labels, and have unlike numbers of images."),
        expected=say("each sequence with the labels of its own images"),
        actual=say("the same labels in both"),
        hint=say("Make the second sequence of X_test and y_test."),
        run=RAW,
    )


def _scaled_finding(scaled: list[SequenceUse]) -> Finding:
    return Finding(
        code="raw.scaled_data",
        message=counted(
            "In the run raw, {n} of the sequences gave scaled images.",
            "In the run raw, {n} of the sequences gave scaled images.",
            len(scaled),
        ),
        expected=say("pixels from 0 to 255 in the train and in the test sequence"),
        actual=say(
            "values from {low:.3g} to {high:.3g}",
            low=min(s.low for s in scaled),
            high=max(s.high for s in scaled),
        ),
        hint=say("Build both sequences anew with MNISTSequence(…, preprocess=preprocess), and train with these two."),
        run=RAW,
    )
