"""What students need to check their own notebooks: the grader as a wheel, without what would give the homework away.

Left out are the solution, the bands of its runs and the thresholds; the criteria, the template and the course library are
in it. A check draws its inputs anew each time, so reading the code of the checks does not answer them. The wheel is made
from the files that run here, by the format's specification (packaging.python.org/specifications/binary-distribution-format).
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path

import grader
from grader.assignment import Assignment
from grader.errors import GraderError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same package
_WHEEL = "Wheel-Version: 1.0\nGenerator: grader\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
README = """\
# Check your homework

This is the grader that your notebook will be graded with, without what instructors alone have: the solution, its runs, and
how small some numbers must be. On Linux, with Python 3.11 to 3.13, in the folder of this file:

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt
    .venv/bin/grader check path/to/notebook.ipynb
    .venv/bin/grader check path/to/notebook.ipynb --watch

The first two lines are needed once, and fetch TensorFlow (2.4 GB with all that belongs to it). `check` runs the notebook on
a part of the data and says for each criterion whether it passes, where it does not, and what to try. `--watch` does so
whenever you save: what the text tells at once, the run in the background. `--format github` is for a CI job.

What this copy cannot tell, it says: whether "learns better" holds against the reference's runs, and conclusions, which a
person reads. The points of a check are no promise; those of your instructor's grading count.
"""


def package(assignment: Assignment) -> bytes:
    """A zip of the wheel, what to install it with, and how. Raises GraderError where the grader is not installed."""
    try:
        installed = distribution("grader")
    except PackageNotFoundError as error:
        raise GraderError(
            "The grader is not installed, so its package cannot be made: pip install -e . first."
        ) from error
    name = f"grader-{installed.version}-py3-none-any.whl"
    pins = [f"{needed}=={version(needed)}" for needed in sorted(_needed(installed))]
    files = {
        "README.md": README.encode(),
        "requirements.txt": "\n".join((f"./{name}", *pins, "")).encode(),
        name: _wheel(installed, assignment),
    }
    return _zipped({f"grader-for-students/{path}": data for path, data in files.items()})


def _needed(installed: Distribution) -> Iterator[str]:
    """The packages that the grader names. Their versions here are those that the instructor grades with."""
    for requirement in installed.requires or ():
        found = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
        if found and "extra ==" not in requirement:
            yield found[0]


def _wheel(installed: Distribution, assignment: Assignment) -> bytes:
    info = f"grader-{installed.version}.dist-info"
    files = {
        **dict(_code()),
        **dict(_reference(assignment)),
        f"{info}/METADATA": (installed.read_text("METADATA") or "").encode(),
        f"{info}/entry_points.txt": (installed.read_text("entry_points.txt") or "").encode(),
        f"{info}/WHEEL": _WHEEL.encode(),
    }
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    return _zipped({**files, f"{info}/RECORD": "\n".join((*record, f"{info}/RECORD,,", "")).encode()})


def _code() -> Iterator[tuple[str, bytes]]:
    """The package's own files. Where the grader is installed, reference/ lies in it: that comes from `_reference`."""
    root = Path(grader.__file__).parent
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and parts[0] != "reference" and "__pycache__" not in parts:
            yield f"grader/{'/'.join(parts)}", path.read_bytes()


def _reference(assignment: Assignment) -> Iterator[tuple[str, bytes]]:
    """The three files of reference/ that students have anyway or may have."""
    library, folder = assignment.library_file, assignment.folder
    yield f"grader/reference/{library.name}", library.read_bytes()
    rubric = (folder / "assignment.toml").read_text(encoding="utf-8")
    yield "grader/reference/assignment.toml", for_students(rubric).encode()
    if (folder / "template.ipynb").is_file():
        yield "grader/reference/template.ipynb", (folder / "template.ipynb").read_bytes()


def for_students(rubric: str) -> str:
    """The text of assignment.toml, marked as the copy for students, with an empty table `thresholds`."""
    bare = re.sub(r"^(\[thresholds\][^\n]*\n).*?(?=^\[|\Z)", r"\1", rubric, flags=re.MULTILINE | re.DOTALL)
    return f"students = true  # no reference runs and no thresholds\n{bare}"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            bundle.writestr(entry, data)
    return buffer.getvalue()
