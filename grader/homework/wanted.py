"""The names of this homework: what the brief asks for, and what the course library gives."""

from __future__ import annotations

from grader.stages.extraction import Names, Wanted

WANTED = (
    Wanted(
        name="fit_generator",
        attribute=("Sequential", "fit_generator"),
        parameters=("train_seq", "eval_seq", "epoch", "loss", "optimizer", "writer"),
    ),
    Wanted(name="BatchNormFixed", parameters=("name",)),
    Wanted(name="preprocess", keyword=("MNISTSequence", "preprocess"), place=3),
)
_GIVEN = frozenset({"MNISTSequence", "Dense", "DenseSmart", "BatchNormFlawed", "Sequential"})
_TRAINS = frozenset({"fit_generator", "predict_generator", "fit"})
NAMES = Names(wanted=WANTED, given=_GIVEN, trains=_TRAINS)
