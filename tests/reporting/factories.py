"""Hand-made grades and reports: one as a class would see it, and one with every text field of your choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from grader.records import (
    Band,
    Cell,
    CellKind,
    CellRun,
    CellStatus,
    Claim,
    Conclusion,
    Criterion,
    Curve,
    Decision,
    Execution,
    Exhibit,
    Fault,
    FaultKind,
    Finding,
    Floats,
    Grade,
    Ints,
    Judgement,
    Message,
    Report,
    Resources,
    Ridge,
    RunSummary,
    Severity,
    Status,
    Submission,
    say,
)

RUNS = ("relu", "relu_smart_dense", "relu_bn", "relu_bn_fixed", "raw")
NASTY = "<b>&amp;\"'</script><!--\x1b[31m\u202egnp.exe\u200b\ud800"


def finding(**changes: Any) -> Finding:
    made = Finding(
        code="fit.no_validation",
        message=say("The validation {name} was not written at all.", name="loss"),
        expected="one point an epoch: 10 points",
        actual="no scalar with these values",
        hint=say("Write it after the loop over eval_seq. Mind `step % 50 == 0`: after 469 steps it is never true."),
        cell=4,
        line=3,
        run="relu",
        tag="val_loss",
        step=469,
    )
    return replace(made, **changes)


HEADINGS = {"relu": "Two ReLUs", "raw": "Raw data", "fit_generator": "The function fit_generator"}  # as the rubric says


def judgement(  # noqa: PLR0917
    criterion: str = "fit.patched",
    status: Status = Status.PASSED,
    points: float | None = None,
    most: int = 10,
    title: str = "fit_generator is patched",
    part: str = "fit_generator",
    blocked_by: str | None = None,
    findings: tuple[Finding, ...] = (),
) -> Judgement:
    earned = (most if status is Status.PASSED else 0) if points is None else points
    return Judgement(
        criterion=Criterion(id=criterion, part=part, title=title, points=most, heading=HEADINGS.get(part, "")),
        claim="After the run, Sequential.fit_generator is a function that the notebook defines.",
        status=status,
        points=earned,
        blocked_by=blocked_by,
        findings=findings,
    )


def criteria() -> tuple[Judgement, ...]:
    """All six statuses, in five parts."""
    wrong = finding(
        code="bn.epsilon",
        message=say("On constant features the output is not finite."),
        expected="0 for every value",
        actual="NaN in 100 of 100 features",
        hint=say("Add a small epsilon under the root."),
        cell=8,
        line=2,
        run=None,
        tag=None,
        step=None,
    )
    short = finding(code="fit.short", severity=Severity.WARNING, message=say("Run relu has too few points."), hint=None)
    missing = finding(
        code="conclusion.missing",
        message=say("No conclusion of your own was found."),
        cell=None,
        run="raw",
        tag=None,
        step=None,
    )
    return (
        judgement("notebook.runs", Status.PASSED, most=4, title="The notebook runs", part="notebook"),
        judgement("fit.patched", Status.PASSED, most=3),
        judgement("fit.gradient_histograms", Status.PASSED, most=12, title="Gradient histograms"),
        judgement(
            "fit.validation_scalars",
            Status.PARTIAL,
            10 / 3,
            10,
            "Validation loss and metric",
            findings=(finding(), short),
        ),
        judgement("fit.training_preserved", Status.UNDECIDED, most=8, title="Training is unchanged"),
        judgement("relu.runs", Status.PASSED, most=8, title="Two ReLUs: the experiments", part="relu"),
        judgement("relu.conclusion", Status.REVIEW, most=7, title="Two ReLUs: the conclusion", part="relu"),
        judgement(
            "bn.normalises",
            Status.FAILED,
            most=12,
            title="The repaired layer normalises",
            part="batch_norm",
            findings=(wrong,),
        ),
        judgement(
            "bn.fixed_run",
            Status.BLOCKED,
            most=8,
            title="The repaired batch norm: the experiment",
            part="batch_norm",
            blocked_by="bn.normalises",
        ),
        judgement(
            "raw.conclusion", Status.FAILED, most=3, title="Raw data: the conclusion", part="raw", findings=(missing,)
        ),
    )


def grade(name: str = "ivanova", **changes: Any) -> Grade:
    made = Grade(
        id=name,
        source=f"submissions/{name}.ipynb",
        sha256="0123456789abcdef" * 4,
        profile="fast",
        criteria=criteria(),
        remarks=(
            finding(
                code="remark.writer",
                severity=Severity.WARNING,
                message=say("fit_generator fails when writer=None."),
                expected=None,
                actual=None,
                run=None,
                tag=None,
                step=None,
            ),
            finding(
                code="remark.order",
                severity=Severity.INFO,
                message=say("Cells were executed out of order."),
                expected=None,
                actual=None,
                hint=None,
                cell=None,
                run=None,
                tag=None,
                step=None,
            ),
        ),
        runs={run: _summary(run) for run in RUNS},
        resources=Resources(wall_seconds=63.219, cpu_seconds=80.0, peak_memory_mib=812),
        environment={"python": "3.11.7", "tensorflow": "2.21.0", "sandbox": "bubblewrap", "data": "mnist", "seed": 20},
    )
    return replace(made, **changes)


def _summary(run: str) -> RunSummary:
    if run == "relu_bn":
        return RunSummary(finite=False, final={"validation_loss": None, "validation_accuracy": 0.098})
    return RunSummary(finite=True, final={"validation_loss": 12.1, "validation_accuracy": 0.99996})


def ungraded(name: str = "petrov") -> Grade:
    return Grade(
        id=name,
        source=f"submissions/{name}.ipynb",
        sha256="f" * 64,
        profile="fast",
        error=say("The file is no notebook: it begins with an HTML page. Hand in the .ipynb file itself."),
    )


# --- series ---------------------------------------------------------------------------------------------------------


def losses(n: int, start: float, end: float, phase: float) -> Floats:
    """A falling series with a ripple, the same on every machine."""
    ripple = 0.02 * (start - end) * np.sin(phase + np.arange(n) * 1.7)
    falling: Floats = end + (start - end) * np.exp(-4 * np.linspace(0, 1, n)) + ripple
    return falling


def curve(run: str = "relu", role: str | None = "train_loss", n: int = 190, bad: int = 0, phase: int = 0) -> Curve:
    """A falling loss over `n` steps, whose last `bad` values are NaN, over a band of three seeds."""
    steps: Ints = np.arange(n, dtype=np.int64) * 19
    values = losses(n, 14.0, 2.0, phase)
    values[n - bad :] = np.nan
    around = np.stack([losses(n, 15.0, 1.5 + k, phase + 10 + k) for k in range(3)])
    return Curve(
        run=run, tag=role or "my scalar", role=role, steps=steps, values=values, band=Band(steps=steps, values=around)
    )


def histogram(width: float) -> Floats:
    """7840 values, about normally distributed, in 30 buckets."""
    edges = np.linspace(-3 * width, 3.2 * width, 31)
    counts = np.round(7840 / 12 * np.exp(-(((edges[:-1] + edges[1:]) / 2 / width) ** 2) / 2))
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def nan_histogram() -> Floats:
    return np.stack([np.full(30, np.nan), np.full(30, np.nan), np.zeros(30)], axis=1)


def ridge(run: str = "relu", name: str = "grad_dense_0", finite: bool = True, variable: Message | None = None) -> Ridge:
    """A gradient that shrinks; one whose variable is known lies over the reference's."""
    steps: Ints = np.arange(0, 190, 10, dtype=np.int64)
    buckets = tuple(histogram(1.5 / (1 + k / 4)) if finite else nan_histogram() for k in range(len(steps)))
    usual = np.stack([[-2.0, 1.5] for _ in steps]) if variable else None
    return Ridge(run=run, tag=name, variable=variable, steps=steps, buckets=buckets, usual=usual)


def exhibit(**changes: Any) -> Exhibit:
    roles = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    curves = tuple(
        curve(
            run,
            role,
            n=10 if role.startswith("validation") else 190,
            bad=10_000 if run == "relu_bn" else 0,
            phase=7 * k,
        )
        for run in RUNS
        for k, role in enumerate(roles)
    )
    made = Exhibit(
        curves=(*curves, curve("raw", "train_loss", bad=80), curve("raw", None, n=1)),
        ridges=tuple(ridge(run, f"grad_dense_{k}", run != "relu_bn") for run in RUNS for k in range(6)),
        conclusions=(
            Conclusion(
                criterion="relu.conclusion",
                text="The smart layer learns <b>better</b>:\nits weights begin small, so accuracy is 0.97.",
                cell=6,
                runs=("relu", "relu_smart_dense"),
                claims=(
                    Claim(text="accuracy is 0.97", logs=say("relu_smart_dense ends at 0.97."), agrees=True),
                    Claim(text="loss stays at 0", logs=say("relu ends at 12.1."), agrees=False),
                    Claim(text="much better", logs=say("A person decides."), agrees=None),
                ),
            ),
            Conclusion(criterion="raw.conclusion", text="It does not learn.", cell=None, runs=("nowhere",)),
        ),
    )
    return replace(made, **changes)


def small_exhibit() -> Exhibit:
    """Curves: one that ends in NaN, one like the reference, one of a single point. One whole and one NaN gradient, both
    conclusions."""
    return exhibit(
        curves=(
            curve("relu", "validation_loss", n=10, bad=4),
            curve("relu", "train_loss", n=12),
            curve("raw", None, n=1),
        ),
        ridges=(
            ridge("relu", "grad_0", variable=say("{what} of layer {layer}, {kind}", what="w", layer=1, kind="Dense")),
            ridge("relu", "grad_1", finite=False),
        ),
        origins={"relu": say("First seen at step {step}: {what}.", step=0, what="sigma")},
    )


# --- the notebook ---------------------------------------------------------------------------------------------------

FIT = """def fit_generator(self, train_seq, eval_seq, epoch, loss, optimizer, writer=None):
    for e in range(epoch):
        if step % 50 == 0:
            tf.summary.scalar("val_loss", val_loss.result(), step=step)
"""
NORM = """class BatchNormFixed(BatchNormFlawed):
    def __call__(self, x, writer=None, step=None):
        return (x - tf.reduce_mean(x, axis=0)) / tf.math.reduce_std(x, axis=0) * self._gamma + self._beta
"""


def submission(name: str = "ivanova") -> Submission:
    sources = (
        (CellKind.MARKDOWN, "# Homework\n\n* Improve `fit_generator`"),
        (CellKind.CODE, "import numpy as np\nimport tensorflow as tf"),
        (CellKind.CODE, "!mkdir logs"),
        (CellKind.CODE, FIT),
        (CellKind.CODE, "Sequential.fit_generator = fit_generator"),
        (CellKind.MARKDOWN, "The smart layer learns <b>better</b>"),
        (CellKind.RAW, "raw text"),
        (CellKind.CODE, NORM),
        (CellKind.CODE, "undefined_name"),
        (CellKind.CODE, "print('never')"),
    )
    cells = tuple(
        Cell(index=n, kind=kind, source=source, execution_count=n if kind is CellKind.CODE else None)
        for n, (kind, source) in enumerate(sources, start=1)
    )
    return Submission(
        id=name, source=f"submissions/{name}.ipynb", notebook=Path("hw.ipynb"), sha256="0" * 64, cells=cells
    )


def execution() -> Execution:
    fault = Fault(
        kind=FaultKind.RAISED,
        message="NameError: name 'undefined_name' is not defined",
        cell=9,
        line=1,
        traceback="Traceback (most recent call last):\n  Cell 9, line 1\nNameError: …",
    )
    printed = "".join(f"Epoch {n}: Train loss: 0.089 Train Accuracy: 0.974\n" for n in range(1, 11))
    runs = (
        CellRun(index=2, status=CellStatus.OK, seconds=2.93),
        CellRun(index=3, status=CellStatus.OK, seconds=0.1),
        CellRun(index=4, status=CellStatus.OK, seconds=0.004),
        CellRun(index=5, status=CellStatus.OK, seconds=0.001),
        CellRun(index=8, status=CellStatus.OK, seconds=12.34, text=printed),
        CellRun(index=9, status=CellStatus.RAISED, seconds=0.02, fault=fault),
        CellRun(index=10, status=CellStatus.NOT_RUN),
    )
    return Execution(
        cells=runs,
        fault=fault,
        models=(),
        patch=None,
        resources=Resources(),
        versions=(),
        logs=Path("logs"),
        executed_notebook=Path("executed.ipynb"),
    )


def report(**changes: Any) -> Report:
    made = Report(grade=grade(), submission=submission(), execution=execution(), exhibit=exhibit())
    return replace(made, **changes)


def class_grades() -> tuple[Grade, ...]:
    """Twelve graded submissions with scores that are spread, and one that could not be graded."""
    grades = []
    for n in range(12):
        judged = tuple(
            replace(j, status=Status.PASSED, points=float(j.criterion.points))
            if j.status in (Status.FAILED, Status.PARTIAL, Status.BLOCKED) and (k * 7 + n) % 5 > n % 4
            else j
            for k, j in enumerate(criteria())
        )
        grades.append(grade(f"student-{n + 1}", criteria=judged))
    return (*grades, ungraded())


# --- the class's pages ----------------------------------------------------------------------------------------------


def class_reports() -> tuple[Report, ...]:
    """The class as reports; the curves of the eighth lie elsewhere, the second and third wrote the same, and one answer of
    the first has been decided."""
    made = []
    for n, one in enumerate(class_grades()):
        answers = tuple(replace(c, text=f"{c.text} {own_words(n)}") for c in exhibit().conclusions)
        curves = tuple(
            replace(c, values=c.values * (1 + n / 200) + (300 if n == 7 else 0))
            for c in exhibit(curves=(curve("relu", "train_loss"), curve("relu", "validation_loss", n=10))).curves
        )
        made.append(
            report(grade=one, submission=own_code(one.id, n), exhibit=exhibit(curves=curves, conclusions=answers))
            if one.error is None
            else Report(grade=one)
        )
    made[0] = replace(made[0], grade=with_decision(made[0].grade))
    return tuple(made)


def own_words(n: int) -> str:
    """Sixty words that nobody else uses, but for the second and the third."""
    return " ".join(f"w{max(n, 2) if n < 3 else n}x{k}" for k in range(60)) if n else ""


def own_code(name: str, n: int) -> Submission:
    """Code that nobody else writes, but that the second and the third differ in names alone."""
    sign = ("+", "-", "*", "/", "%", "@", "|", "&", "^", "<", ">")
    kind = 1 if n == 2 else n
    lines = [f"name{n}_{k} = a{n}.f{kind}{k} {sign[(kind + k) % 11]} b{n}.g{kind}{k * 2}" for k in range(20)]
    cell = Cell(index=1, kind=CellKind.CODE, source="\n".join(lines))
    return replace(submission(name), cells=(cell,))


def with_decision(made: Grade) -> Grade:
    decision = Decision(points=5.0, most=7, by="Petrova", on="2026-11-25", comment="Why is missing.")
    criteria = tuple(
        replace(j, status=Status.PARTIAL, points=5.0, decision=decision) if j.criterion.id == "relu.conclusion" else j
        for j in made.criteria
    )
    return replace(made, criteria=criteria)


def bands() -> dict[tuple[str, str], Band]:
    shown = (curve("relu", "train_loss"), curve("relu", "validation_loss", n=10))
    return {(c.run, c.role): c.band for c in shown if c.role and c.band}


# --- one text everywhere --------------------------------------------------------------------------------------------


def tainted(text: str) -> Report:
    """A report with this text in every field that may hold foreign or configured words."""
    message = say("{text}", text=text)
    seen = Finding(
        code=text, message=message, expected=text, actual=text, hint=message, cell=1, line=1, run=text, tag=text, step=1
    )
    judged = tuple(
        Judgement(
            criterion=Criterion(id=f"{text}{status}", part=text, title=text, points=5),
            claim=text,
            status=status,
            points=1.0,
            blocked_by=text if status is Status.BLOCKED else None,
            findings=(seen,),
        )
        for status in Status
    )
    made = Grade(
        id=text,
        source=text,
        sha256=text,
        profile=text,
        criteria=judged,
        remarks=(seen,),
        runs={text: RunSummary(finite=False, final={text: None})},
        environment={text: text},
    )
    fault = Fault(kind=FaultKind.RAISED, message=text, cell=1, line=1, traceback=text)
    base = execution()
    kinds = enumerate(CellKind, start=1)
    return Report(
        grade=made,
        submission=replace(
            submission(), cells=tuple(Cell(index=n, kind=k, source=text, output=text) for n, k in kinds)
        ),
        execution=replace(base, cells=(CellRun(index=1, status=CellStatus.RAISED, text=text, fault=fault),)),
        exhibit=Exhibit(
            curves=(replace(curve(n=3), run=text, tag=text, role=text),),
            ridges=(replace(ridge(), run=text, tag=text, variable=message),),
            origins={text: message},
            conclusions=(
                Conclusion(
                    criterion=f"{text}{Status.REVIEW}",
                    text=text,
                    cell=1,
                    runs=(text,),
                    claims=(Claim(text=text, logs=message, agrees=None),),
                ),
            ),
            notice=message,
        ),
    )
