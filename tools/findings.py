"""docs/findings.md: every code that a finding may have, with its sentences, read off the code. `make messages` writes it.

python -m tools.findings
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.messages import PACKAGE, PROJECT, name_of

PAGE = PROJECT / "docs" / "findings.md"
_SENTENCES = {"say", "noted", "counted"}
_HEAD = """\
# What the grader says, and what to do

Written by `make messages` from the code: every code that a finding may have, in `result.json`, in exports and in
`grader review`, with the sentences that the pages show for it. Words in braces are filled in.

A code's first part says what it is about. Findings below a criterion cost its points, in whole or in part; those whose
code begins with `remark.` or `intake.`, and those of a criterion that was passed, cost nothing. An `undecided` criterion
is never a student's loss: the grader could not tell, and a person has to look. What is advised against an error that a
cell raised depends on the error, and stands in `grader/homework/cell_errors.py`.
"""
_PARTS = {
    "at_once": "Before the notebook is run (`check --watch`)",
    "bn": "The repaired batch norm",
    "conclusion": "Conclusions",
    "definition": "Definitions",
    "fit": "`fit_generator`",
    "harness": "The grader itself",
    "intake": "What was handed in",
    "notebook": "The notebook as a whole",
    "probe": "Trying a function out",
    "raw": "Raw data",
    "remark": "Remarks: they cost nothing",
    "run": "Runs",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A finding's code, its sentences, and what to try."""

    code: str
    sentences: tuple[str, ...]
    hints: tuple[str, ...]


def findings() -> Mapping[str, Said]:
    """By code, what all places in the code that make such a finding say."""
    sentences: dict[str, list[str]] = defaultdict(list)
    hints: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for said in _of_module(ast.parse(path.read_text("utf-8"))):
            sentences[said.code] += said.sentences
            hints[said.code] += said.hints
    return {
        code: Said(code, tuple(dict.fromkeys(sentences[code])), tuple(dict.fromkeys(hints[code])))
        for code in sorted(sentences)
    }


def _of_module(tree: ast.Module) -> Iterator[Said]:
    constants = {
        target.id: node
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        named = [constants[n.id] for n in ast.walk(function) if isinstance(n, ast.Name) and n.id in constants]
        callers = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and name_of(n.func) == function.name]
        for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
            yield from _of_call(call, [function, *named], callers, constants)


def _of_call(
    call: ast.Call,
    around: Sequence[ast.AST],
    callers: Sequence[ast.AST],
    constants: Mapping[str, ast.Assign | ast.AnnAssign],
) -> Iterator[Said]:
    """A call that makes a finding: `Finding(code=…)`, or one of the short forms with the code first. A sentence that is no
    literal there is looked for around it, and then where its function is called."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    message, hint = ([keywords[k]] if k in keywords else [] for k in ("message", "hint"))
    if name_of(call.func) == "Finding":
        beside = {s for k, v in keywords.items() if k != "message" for s in _sentences([v])}
        for code in _codes(keywords.get("code")):
            places = (_sentences(message), (s for s in _sentences(around) if s not in beside), _sentences(callers))
            own = next((found for place in places if (found := tuple(place))), ())
            yield Said(code, own, tuple(_sentences(hint)))
    elif name_of(call.func) in {"remark", "undecided"} and len(call.args) >= 2:
        text = call.args[1]
        held = constants[text.id].value if isinstance(text, ast.Name) and text.id in constants else text
        for code in _codes(call.args[0]):
            yield Said(code, tuple(_texts([held])), tuple(_texts(hint)))


def _codes(node: ast.expr | None) -> Iterator[str]:
    """The codes that an expression may give; what is filled in stands as `…`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_codes(node.body), *_codes(node.orelse))


def _sentences(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The sentences that are said anywhere in these expressions."""
    calls = (call for node in nodes for call in ast.walk(node) if isinstance(call, ast.Call))
    for call in calls:
        if name_of(call.func) in _SENTENCES:
            yield from _texts(call.args[:1])


def _texts(nodes: Iterable[ast.AST | None]) -> Iterator[str]:
    """Sentences as they stand in an argument; both of a choice."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.IfExp):
            yield from _texts([node.body, node.orelse])
        elif isinstance(node, ast.Call) and name_of(node.func) in _SENTENCES:
            yield from _texts(node.args[:1])


def page() -> str:
    parts: dict[str, list[Said]] = defaultdict(list)
    for said in findings().values():
        parts[said.code.split(".")[0]].append(said)
    return "\n".join([_HEAD, *(_part(part, parts[part]) for part in sorted(parts, key=_title))])


def _title(part: str) -> str:
    return _PARTS.get(part, part)


def _part(part: str, said: Iterable[Said]) -> str:
    rows = [f"| `{one.code}` | {_cell(one.sentences)} | {_cell(one.hints)} |" for one in said]
    return "\n".join([f"## {_title(part)}\n", "| code | it says | it advises |", "|---|---|---|", *rows, ""])


def _cell(texts: Iterable[str]) -> str:
    return " <br> ".join(text.replace("|", "\\|") for text in texts)


def main() -> None:
    PAGE.write_text(page(), "utf-8")
    print(f"{PAGE.relative_to(PROJECT)}: {len(findings())} codes")


if __name__ == "__main__":
    main()
