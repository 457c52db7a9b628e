"""What a notebook imports and this machine has not: that is no mistake of its author's, who had it in Colab or at home."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable
from importlib.util import find_spec

from grader.assignment import Assignment
from grader.contract import Check
from grader.formats.code import code_of
from grader.homework.common import runs_named, trains
from grader.records import Case, CellKind, CellRun, CellStatus, Finding, Severity, Status, Verdict, say

# Modules that notebooks of such courses import. Of another name nobody knows whether it is misspelt.
_WELL_KNOWN = (
    "PIL|altair|bokeh|cv2|cupy|einops|fastai|gdown|graphviz|h5py|imageio|ipywidgets|jax|joblib|kagglehub|keras_tuner|lightning|"
    "livelossplot|loguru|mlflow|networkx|nltk|numba|optuna|pandas|plotly|polars|prettytable|psutil|pydot|pytorch_lightning|"
    "requests|scipy|seaborn|skimage|sklearn|statsmodels|sympy|tabulate|tensorboardX|tensorflow_addons|tensorflow_datasets|"
    "tensorflow_hub|tensorflow_probability|termcolor|torch|torchsummary|torchvision|tqdm|transformers|visualkeras|wandb|xgboost"
)
# Modules whose package has another name.
_PACKAGES = {"PIL": "pillow", "cv2": "opencv-python", "skimage": "scikit-image", "sklearn": "scikit-learn"}
_NOT_FOUND = re.compile(rf"ModuleNotFoundError: No module named '({_WELL_KNOWN})(?:\.[\w.]*)?'")
_LOST = (Status.FAILED, Status.PARTIAL, Status.BLOCKED)


def excuses(check: Check) -> Check:
    """A check that is undecided where it would cost points for an error that such a module caused."""
    return _decorated(check, lambda case, verdict: _named_in(verdict, case))


def excuses_runs(check: Check) -> Check:
    """The same for a check that looks at runs: they may be missing for a cell that could not do its work before."""
    return _decorated(check, lambda case, verdict: _named_in(verdict, case) or in_the_way(case))


def excuses_cells(check: Check) -> Check:
    """The same for a check of all cells: what fails after such a cell may fail for it."""
    return _decorated(check, lambda case, _: _module(_troubled(case)[0], case))


def _decorated(check: Check, cause: Callable[[Case, Verdict], str | None]) -> Check:
    @functools.wraps(check)
    def checked(case: Case, assignment: Assignment) -> Verdict:
        verdict = check(case, assignment)
        module = cause(case, verdict) if verdict.status in _LOST else None
        return _for_a_person(module, _cell_without(module, case), verdict) if module else verdict

    return checked


def _for_a_person(module: str, cell: int | None, verdict: Verdict) -> Verdict:
    """What only follows from the module's absence is left out: nobody is to mend that."""
    finding = Finding(
        code="notebook.not_installed",
        severity=Severity.WARNING,
        message=say(
            "The notebook imports {module}, which is not installed beside the grader, so what needs it could not run.",
            module=module,
        ),
        hint=say(
            "This is no mistake of the notebook's author. Who grades can install it into the grader's environment, and grade "
            "again: pip install {package}",
            package=_PACKAGES.get(module, module),
        ),
        cell=cell,
    )
    others = (other for other in verdict.findings if not _follows(other))
    return Verdict(status=Status.UNDECIDED, findings=(finding, *others))


_CONSEQUENCES = ("run.missing", "run.broken_off", "notebook.not_reached")


def _follows(finding: Finding) -> bool:
    """Whether a finding is what a cell that could not import makes of those below it. What a run or a cell does wrong by itself
    stays for the person who decides; of fit_generator nothing can be said."""
    error = str(finding.actual).startswith(("NameError: ", "ModuleNotFoundError: "))
    return error or finding.code in _CONSEQUENCES or not finding.code.startswith(("run.", "notebook."))


def in_the_way(case: Case) -> str | None:
    """A module for whose absence a cell ended early that was to do more than to import it, or after which others failed."""
    troubled = _troubled(case)
    for n, run in enumerate(troubled):
        module = _module(run, case)
        if module and (n + 1 < len(troubled) or _matters(run, case)):
            return module
    return None


def _matters(run: CellRun, case: Case) -> bool:
    cell = next(cell for cell in case.submission.cells if cell.index == run.index)
    defined = {definition.cell for definition in case.definitions.values()}
    return trains(cell) or bool(runs_named(cell)) or run.index in defined


def _troubled(case: Case) -> list[CellRun]:
    return [run for run in case.execution.cells if run.status is not CellStatus.OK]


def _module(run: CellRun, case: Case) -> str | None:
    """The module whose absence ended a cell."""
    return _absent(run.fault.message, case) if run.fault else None


def _cell_without(module: str, case: Case) -> int | None:
    """The first cell that the absence of a module ended."""
    return next((run.index for run in _troubled(case) if _module(run, case) == module), None)


def _named_in(verdict: Verdict, case: Case) -> str | None:
    """The module whose absence is what a finding found."""
    errors = (str(finding.actual) for finding in verdict.findings)
    return next((module for error in errors if (module := _absent(error, case))), None)


def _absent(error: str, case: Case) -> str | None:
    """The module of an error, if it is not there, and the notebook imports it: an error of that name may be raised by anybody."""
    found = _NOT_FOUND.search(error)
    module = found.group(1) if found else None
    if module is None or find_spec(module) is not None:
        return None
    sources = (cell.source for cell in case.submission.cells if cell.kind is CellKind.CODE)
    return module if any(module in _imports(source) for source in sources) else None


def _imports(source: str) -> set[str]:
    """The roots of the modules that a cell imports, in a function too."""
    tree = code_of(source)
    nodes = list(ast.walk(tree)) if tree else []
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | named}
