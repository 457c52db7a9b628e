"""The command line: parses, chooses a command, turns errors into exit codes. It decides nothing.

Exit codes: 0 done · 1 `check` found a failed criterion, --fail-under was not reached, or `selftest` found a wrong
verdict · 2 wrong use ·
3 the harness could not grade at least one submission · 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import gettext
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from grader import __version__, receipt, workplace
from grader.descendants import end_descendants
from grader.errors import CannotWrite, GraderError, UsageError, is_of_disk
from grader.exports import FORMATS
from grader.language import CATALOGUES, DOMAIN, LANGUAGES, current, noted, of_environment, say, shown, speak, tr
from grader.reporting.text import inert

_OF_ARGPARSE = (  # its own words, which it looks up in the catalogues of the domain that is set
    noted("usage: "),
    noted("positional arguments"),
    noted("options"),
    noted("show this help message and exit"),
    noted("the following arguments are required: %s"),
    noted("unrecognized arguments: %s"),
    noted("expected one argument"),
    noted("expected at least one argument"),
    noted("argument %(argument_name)s: %(message)s"),
    noted("invalid choice: %(value)r (choose from %(choices)s)"),
    noted("invalid %(type)s value: %(value)r"),
    noted("not allowed with argument %s"),
    noted("%(prog)s: error: %(message)s\n"),
)


class _Exact(argparse.ArgumentParser):
    """A command line whose options have to be written out: `--ou x` is a slip, and not `--out`. So are its commands'."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(**{**facts, "allow_abbrev": False})


def parser() -> argparse.ArgumentParser:
    top = _Exact(
        prog="grader", description=tr("Grades a deep-learning homework: notebooks and their TensorBoard logs.")
    )
    top.add_argument(
        "--version",
        action="version",
        version=f"grader {__version__}",
        help=tr("show program's version number and exit"),
    )
    verbs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_grade(verbs.add_parser("grade", help=tr("grade notebooks, folders and archives of submissions")))
    _add_check(verbs.add_parser("check", help=tr("grade one notebook and print the result")))
    _add_export(verbs.add_parser("export", help=tr("put what `grade` wrote into another program's format")))
    _add_review(
        verbs.add_parser("review", help=tr("take down what a person decides: points and a comment for an answer"))
    )
    _add_reference(verbs.add_parser("reference", help=tr("work on the reference runs")))
    _add_selftest(
        verbs.add_parser("selftest", help=tr("grade the corpus of situations and compare with what each must get"))
    )
    _add_tensorboard(verbs.add_parser("tensorboard", help=tr("open submissions and the reference side by side")))
    _add_student_package(
        verbs.add_parser(
            "student-package", help=tr("pack what students need to check themselves, without the solution")
        )
    )
    doctor = verbs.add_parser("doctor", help=tr("say what this machine can do, and how to get what is missing"))
    _add_language(doctor)
    doctor.set_defaults(run="doctor")
    return top


def _add_grade(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help=tr("a notebook, a submission's folder or archive, or a folder of such"),
    )
    verb.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help=tr("where the results go (default: reports/)")
    )
    verb.add_argument(
        "--jobs", type=_positive, default=None, metavar="N", help=tr("submissions at a time (default: one a core)")
    )
    verb.add_argument(
        "--fail-under",
        type=float,
        default=None,
        metavar="POINTS",
        help=tr("exit with 1 when a submission has fewer points"),
    )
    _add_common(verb)
    verb.set_defaults(run="grade")


def _add_check(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    verb.add_argument(
        "--logs", type=Path, default=None, metavar="DIR_OR_ARCHIVE", help=tr("the logs that are handed in with it")
    )
    verb.add_argument(
        "--format",
        choices=("text", "json", "github", "gradescope", "junit"),
        default="text",
        help=tr("how the result is printed (default: text)"),
    )
    verb.add_argument(
        "--watch", action="store_true", help=tr("grade it again whenever it is saved, until Ctrl-C; its text at once")
    )
    _add_common(verb)
    verb.set_defaults(run="check")


def _add_export(verb: argparse.ArgumentParser) -> None:
    verbs = verb.add_subparsers(dest="format", required=True, metavar="FORMAT", title=tr("formats"))
    for form in FORMATS:
        says = tr(form.says)
        one = verbs.add_parser(form.name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        if form.reads:
            one.add_argument(
                "out",
                type=Path,
                metavar="OUT_DIR",
                help=tr("what `grader grade --out` wrote, or one submission's folder"),
            )
        if form.fills:
            one.add_argument("--fill", type=Path, required=True, metavar="DOWNLOADED.csv", help=tr(form.fills))
        if form.name == "canvas":
            one.add_argument(
                "--column", default=None, metavar="TITLE", help=tr("the assignment, where there are several")
            )
        one.add_argument(
            "--into",
            type=Path,
            required=form.packed,
            metavar="FILE",
            help=tr("the file to write") if form.packed else tr("the file to write (default: standard output)"),
        )
        one.set_defaults(run="export")


def _add_review(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("out", type=Path, metavar="DIR", help=tr("the folder that `grade --out` wrote"))
    way = verb.add_mutually_exclusive_group()
    way.add_argument("--write", type=Path, metavar="FILE.csv", help=tr("write all answers to a spreadsheet"))
    way.add_argument("--read", type=Path, metavar="FILE.csv", help=tr("take the decisions from such a spreadsheet"))
    verb.add_argument("--by", metavar="NAME", help=tr("who decides (default: the name of this login)"))
    _add_language(verb)
    verb.set_defaults(run="review")


def _add_reference(verb: argparse.ArgumentParser) -> None:
    verbs = verb.add_subparsers(dest="reference_command", required=True, metavar="COMMAND")
    build = verbs.add_parser(
        "build", help=tr("run the reference solution and write the bands that curves are compared with")
    )
    build.add_argument("--seeds", type=_positive, default=8, metavar="N", help=tr("how many seeds (default: 8)"))
    build.add_argument(
        "--jobs", type=_positive, default=None, metavar="N", help=tr("runs at a time (default: one a core)")
    )
    _add_common(build)
    build.set_defaults(run="reference")


def _add_tensorboard(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("out", type=Path, metavar="DIR", help=tr("the folder that grade wrote"))
    verb.add_argument("ids", nargs="*", metavar="ID", help=tr("submissions by their names in it (default: all)"))
    verb.add_argument(
        "--port", type=int, default=None, metavar="N", help=tr("where to listen (default: TensorBoard's own)")
    )
    _add_reference_folder(verb)
    verb.set_defaults(run="tensorboard")


def _add_student_package(verb: argparse.ArgumentParser) -> None:
    default = Path("grader-for-students.zip")
    verb.add_argument(
        "--into", type=Path, default=default, metavar="FILE.zip", help=tr("default: {default}", default=str(default))
    )
    _add_reference_folder(verb)
    verb.set_defaults(run="student_package")


def _add_selftest(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("names", nargs="*", metavar="NAME", help=tr("situations by name (default: all)"))
    verb.add_argument(
        "--corpus", type=Path, default=Path("tests/situations"), metavar="DIR", help=tr("default: tests/situations")
    )
    verb.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help=tr("keep notebooks, evidence and pages in this folder")
    )
    verb.add_argument("--jobs", type=_positive, default=None, metavar="N", help=tr("at a time (default: one a core)"))
    _add_common(verb)
    verb.set_defaults(run="selftest", data="embedded")


def _add_common(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--profile", default="fast", help=tr("fast (a slice of the data, the default) or full"))
    verb.add_argument(
        "--data",
        default="auto",
        metavar="auto|mnist|embedded|FILE.npz",
        help=tr("what the notebooks are run on (default: auto)"),
    )
    _add_reference_folder(verb)
    _add_language(verb)
    verb.add_argument(
        "--without-sandbox",
        action="store_true",
        help=tr("run notebooks unconfined where the sandbox is missing: only code that you trust"),
    )
    verb.add_argument(
        "--no-acceleration",
        action="store_true",
        help=tr("run library code as it is, operation by operation: same results, several times slower"),
    )


def _add_language(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--lang",
        choices=LANGUAGES,
        default=None,
        help=tr(
            "the language of pages and terminal (default: each notebook's own; in the terminal, that of the locale)"
        ),
    )


def _add_reference_folder(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--reference",
        type=Path,
        default=None,
        metavar="DIR",
        help=tr("the folder with assignment.toml (default: the grader's own)"),
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(tr("a number from 1 on is needed"))
    return number


def _run(options: argparse.Namespace) -> int:
    """The command's exit code. What takes long to import is imported only where there is work left to do."""
    held = receipt.for_command(options) if options.run == "grade" else None
    if held is not None:
        print(held.printed, end="")
        print(tr("Nothing has changed since the last time; nothing was run."), file=sys.stderr)
        return held.code
    with workplace.temporary_files():
        return int(import_module(f"grader.commands.{options.run}").run(options))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    speak(_language_named(words) or of_environment(os.environ))
    os.environ["LANGUAGE"] = current()  # which gettext asks before the locale
    gettext.bindtextdomain(DOMAIN, str(CATALOGUES))
    gettext.textdomain(DOMAIN)
    if not words:
        parser().print_help(sys.stderr)
        return UsageError.exit_code
    options = _parsed(words)
    try:
        return _run(options)
    except GraderError as error:
        return _told(error)
    except KeyboardInterrupt:
        goes_on = options.run == "grade" or (options.run == "selftest" and options.out is not None)
        kept = tr("interrupted. What was finished is kept; the same command goes on from there.")
        print(f"grader: {kept if goes_on else tr('interrupted.')}", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - exit code 1 would say that a criterion failed
        return _failed(error)


def _language_named(words: Sequence[str]) -> str | None:
    """What --lang says, before anything is parsed: what parsing says should be in it too."""
    apart = [part for word in words for part in (word.split("=", 1) if word.startswith("--lang=") else [word])]
    named = [after for word, after in pairwise(apart) if word == "--lang"]
    return named[-1] if named and named[-1] in LANGUAGES else None


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options. Below a complaint stands what may have been meant."""
    try:
        return parser().parse_args(words)
    except SystemExit as error:
        if error.code == UsageError.exit_code:
            print(f"grader: {_meant(words)}", file=sys.stderr)
        raise


def _meant(words: Sequence[str]) -> str:
    """What a misspelt word was meant to be, and where help is to be had."""
    verbs, options = _known_words(parser())
    if words[0].partition("=")[0] in options:
        return tr("Options stand after the command: grader COMMAND {option}.", option=words[0])
    wrong = [(word, verbs) for word in words[:1] if word not in verbs]
    wrong += [(word.partition("=")[0], options) for word in words if word.startswith("--")]
    meant = next(
        (close[0] for word, known in wrong if word not in known and (close := get_close_matches(word, known, 1))), None
    )
    if meant is not None:
        return tr("Did you mean {word}?", word=meant)
    return tr("What there is: {command}", command=f"grader {words[0]} --help" if words[0] in verbs else "grader --help")


def _known_words(top: argparse.ArgumentParser) -> tuple[set[str], set[str]]:
    """The commands of a parser, and the long options of all that belong to it."""
    below = [action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    inner = [_known_words(one) for choices in below for one in choices.values()]
    own = {option for action in top._actions for option in action.option_strings if option.startswith("--")}
    return {name for choices in below for name in choices}, own.union(*(options for _, options in inner))


_OF_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)


def _failed(error: Exception) -> int:
    """The exit code where nothing went wrong that was thought of: a disk, a name that cannot be, or a mistake of ours, which
    is told with all that is needed to mend it."""
    if is_of_disk(error):
        return _told(CannotWrite.because_of(error, Path.cwd()))
    if isinstance(error, OSError) and error.errno in _OF_NAMES:
        why = say(
            "{path} cannot be used ({why}). Name another one.", path=str(error.filename)[:200], why=str(error.strerror)
        )
        return _told(UsageError(why))
    if isinstance(error, ModuleNotFoundError):
        lacking = say(
            "{name} is not installed beside the grader. Install the grader again, with all that it needs.",
            name=str(error.name),
        )
        return _told(GraderError(lacking))
    traceback.print_exception(error)
    return _told(GraderError(say("This is a mistake of the grader itself. Please report it with the lines above.")))


def _told(error: GraderError) -> int:
    print(f"grader: {inert(shown(error.message))}", file=sys.stderr)
    return error.exit_code


# --- the process ----------------------------------------------------------------------------------------------------

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def command() -> NoReturn:
    """What the console script runs: `main` in a process of its own. Ctrl-C and SIGTERM break the work off, and the same
    again ends it at once."""
    for number in _SIGNALS:
        signal.signal(number, _break_off)
    _leave(main())


def _break_off(*_: object) -> NoReturn:
    for number in _SIGNALS:
        signal.signal(number, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(*_: object) -> NoReturn:
    end_descendants()
    os._exit(_INTERRUPTED)


def _leave(code: int) -> NoReturn:
    """End with all that was started. Threads whose work was broken off are not waited for."""
    end_descendants()
    workplace.remove()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    command()
