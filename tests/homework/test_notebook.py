"""A cell that did not come to its end says which limit it met, what was used, and how far the training had come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.assignment import load_assignment
from grader.homework.notebook import runs
from grader.places import reference_folder
from grader.records import Case, CellRun, CellStatus, Fault, FaultKind, Finding, ModelUse, Resources, SequenceUse
from tests.homework.making import case, code, run, scalars

ASSIGNMENT = load_assignment(reference_folder())
TRAINING = 'writer = tf.summary.create_file_writer("logs/relu")\nmodel.fit_generator(train_seq, test_seq, 10)'


def ended(kind: FaultKind, status: CellStatus = CellStatus.DIED, source: str = TRAINING) -> Finding:
    """The finding about a cell that logged three epochs of 19 steps to the run relu and then ended like this."""
    whole = case([code(source)], runs=[run("relu", scalars("val_loss", [1.0, 0.5, 0.4]))])
    cell = CellRun(index=1, status=status, seconds=42.4, fault=Fault(kind=kind, message="The words of the runner."))
    fed = SequenceUse(
        number=0, length=19, batch_size=128, samples=2400, preprocess=None, low=0.0, high=1.0, labels="1234567890"
    )
    execution = replace(
        whole.execution,
        cells=(cell,),
        models=(ModelUse(number=0, run="relu", layers=(), sequences=(fed,)),),
        resources=Resources(peak_memory_mib=4321),
    )
    return only(replace(whole, execution=execution))


def only(found: Case) -> Finding:
    (finding,) = runs(found, ASSIGNMENT).findings
    return finding


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (FaultKind.OUT_OF_MEMORY, ("4321", str(ASSIGNMENT.limits.memory_mib))),
        (FaultKind.DISK_LIMIT, (str(ASSIGNMENT.limits.disk_mib),)),
        (FaultKind.FILES_LIMIT, (str(ASSIGNMENT.limits.files),)),
        (FaultKind.OUTPUT_LIMIT, (str(ASSIGNMENT.output_mib),)),
    ],
)
def test_a_limit_that_was_met_is_named_with_its_number(kind: FaultKind, numbers: tuple[str, ...]) -> None:
    message = "".join(character for character in str(ended(kind).message) if character.isalnum() or character in " .")
    assert [number for number in numbers if number not in message.replace("\u202f", "")] == []
    assert "Cell 1" in message


def test_a_timeout_says_how_long_it_was_waited() -> None:
    assert "42 s" in str(ended(FaultKind.TIMED_OUT, CellStatus.TIMED_OUT).message)


def test_it_says_how_far_the_training_had_come() -> None:
    finding = ended(FaultKind.KERNEL_DIED)
    assert (finding.run, finding.step, finding.cell) == ("relu", 57, 1)
    assert str(finding.actual) == "the last that was logged before: relu, epoch 4, step 57"


def test_a_cell_that_names_no_run_says_what_the_runner_said() -> None:
    finding = ended(FaultKind.KERNEL_DIED, source="x = 1")
    assert (finding.run, finding.step, str(finding.actual)) == (None, None, "The words of the runner.")


def test_an_error_in_a_training_cell_shows_the_error() -> None:
    assert str(ended(FaultKind.RAISED, CellStatus.RAISED).actual) == "The words of the runner."
