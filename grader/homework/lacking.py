"""What a notebook imports and this machine lacks: that is no mistake of its author's, who had it in Colab or at home."""

from __future__ import annotations

import functools
import re

from grader.assignment import Assignment
from grader.contract import Check, undecided
from grader.records import Case, CellRun, CellStatus, Status, Verdict

# Modules that notebooks of such courses import. Of another name nobody knows whether it is misspelt.
_WELL_KNOWN = (
    "PIL|altair|bokeh|cv2|cupy|einops|fastai|gdown|graphviz|h5py|imageio|ipywidgets|jax|joblib|kagglehub|keras_tuner|lightning|"
    "livelossplot|loguru|mlflow|networkx|nltk|numba|optuna|pandas|plotly|polars|prettytable|psutil|pydot|pytorch_lightning|"
    "requests|scipy|seaborn|skimage|sklearn|statsmodels|sympy|tabulate|tensorboardX|tensorflow_addons|tensorflow_datasets|"
    "tensorflow_hub|tensorflow_probability|termcolor|torch|torchsummary|torchvision|tqdm|transformers|visualkeras|wandb|xgboost"
)
_NOT_FOUND = re.compile(rf"ModuleNotFoundError: No module named '({_WELL_KNOWN})['.]")
_LOST = (Status.FAILED, Status.PARTIAL, Status.BLOCKED)


def ours(check: Check) -> Check:
    """A check that is undecided where it would cost points, and a module that is lacking here may be the cause."""

    @functools.wraps(check)
    def checked(case: Case, assignment: Assignment) -> Verdict:
        verdict = check(case, assignment)
        module = in_the_way(case) if verdict.status in _LOST else None
        return _lacks(module) if module else verdict

    return checked


def of_cells(check: Check) -> Check:
    """The same for a check of the cells themselves, when this is the first trouble that they have."""

    @functools.wraps(check)
    def checked(case: Case, assignment: Assignment) -> Verdict:
        verdict, troubled = check(case, assignment), _troubled(case)
        module = _module(troubled[0]) if troubled else None
        return _lacks(module) if module else verdict

    return checked


def in_the_way(case: Case) -> str | None:
    """A module whose absence stopped a cell, and after it others."""
    troubled = _troubled(case)
    return next((module for run in troubled[:-1] if (module := _module(run))), None)


def _troubled(case: Case) -> list[CellRun]:
    return [run for run in case.execution.cells if run.status is not CellStatus.OK]


def _module(run: CellRun) -> str | None:
    found = _NOT_FOUND.match(run.fault.message) if run.fault else None
    return found.group(1) if found else None


def _lacks(module: str) -> Verdict:
    return undecided(
        "notebook.module_lacking",
        "The notebook imports {module}, which is not installed beside the grader, so what needs it could not run. Install it there, "
        "and grade again.",
        module=module,
    )
