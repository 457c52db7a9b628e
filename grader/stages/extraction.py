"""Submission → Definitions: what the brief asks for, found in the syntax tree, without running anything.

A definition is cut out together with everything at the notebook's top level that it needs, transitively: imports,
helpers, constants, classes. The course library's own names are left to the pristine library, also when the notebook
has pasted it. Where a name is bound several times the last cell that ran counts.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from grader.formats.code import MAX_SOURCE, code_of, parsed
from grader.records import Cell, CellKind, Definition, Fault, FaultKind

_MAX_DEPTH = (
    150  # of a statement's syntax tree: to write it out takes up to five calls a level, and Python ends at 1000
)
_MAX_PLACES = 20  # where a notebook puts a function in its place that are looked at, the last ones
_IN_PLACE = "function_in_place"  # the name of what an expression makes where it is put in its place
_BUILTINS = frozenset(dir(builtins))
_WAITS = frozenset({"input"})  # for a person, who is not there
_WRITTEN = re.compile(
    r"^%%writefile\s+(?:-a\s+)?(?:[\w./]*/)?(\w+)\.py\s*$", re.MULTILINE
)  # a module of the notebook's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement of the notebook's top level: the names it binds, those that it needs from outside, and whether it would
    start a training."""

    node: ast.stmt
    cell: int
    order: float
    binds: frozenset[str]
    needs: frozenset[str]
    trains: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A definition that the brief names. `attribute` is set for a method that is patched onto a class: then whatever
    the notebook puts there is wanted, under any name. `keyword` is set for a function that is handed over by keyword
    (`call(..., keyword=function)`), or at the place `place`, from 0. `parameters` are those that the library's own has, of a
    method or of the making of a class, without self: others that most calls of the notebook pass are passed along."""

    name: str
    attribute: tuple[str, str] | None = None
    keyword: tuple[str, str] | None = None
    place: int | None = None
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a homework calls things: what its brief wants to be defined, what its course library gives, and the functions
    that would start a training when they are called."""

    wanted: tuple[Wanted, ...]
    given: frozenset[str]
    trains: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        return frozenset(wanted.name for wanted in self.wanted) | self.given | self.trains


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What was found, by the brief's names, and why the rest was not."""

    definitions: Mapping[str, Definition]
    faults: Mapping[str, Fault]


def extract(cells: Iterable[Cell], names: Names) -> Extraction:
    """Cut the wanted definitions out of the code cells."""
    statements, given = tuple(_statements(cells, names.trains)), names.given
    definitions: dict[str, Definition] = {}
    faults: dict[str, Fault] = {}
    handing = _handing(statements)
    for item in names.wanted:
        target = _find(statements, handing, item, given)
        if target is None:
            faults[item.name] = Fault(kind=FaultKind.MISSING, message=f"No definition of {item.name} was found.")
            continue
        try:
            definitions[item.name] = _definition(item, target, statements, given)
        except (ValueError, RecursionError):  # there is code that Python 3.11 cannot write out again
            faults[item.name] = Fault(
                kind=FaultKind.MISSING, message=f"The definition of {item.name} cannot be cut out."
            )
    return Extraction(definitions=definitions, faults=faults)


def write(found: Extraction, path: Path) -> None:
    """Store what was found, for `read`."""
    path.write_text(json.dumps(asdict(found), ensure_ascii=True), encoding="utf-8")


def read(path: Path) -> Extraction:
    """What `write` has stored."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Extraction(
        definitions={name: Definition(**one) for name, one in raw["definitions"].items()},
        faults={name: Fault(**{**one, "kind": FaultKind(one["kind"])}) for name, one in raw["faults"].items()},
    )


def _statements(cells: Iterable[Cell], trains: frozenset[str]) -> Iterator[Statement]:
    """The statements of all code cells, but for cells beyond the bound on code and statements that are too deep."""
    order, left = 0, MAX_SOURCE
    written: set[str] = set()
    for cell in cells:
        if cell.kind is not CellKind.CODE or len(cell.source) > left:
            continue
        left -= len(cell.source)
        tree = code_of(cell.source)
        written |= {found.group(1) for found in [_WRITTEN.match(cell.source)] if found}
        for node in filter(_is_shallow, tree.body if tree else ()):
            if _imports_from(node, written):
                continue  # what is in there stands in a cell, and comes along from it
            order += 1
            yield _statement(node, cell.index, order, trains=_calls(node, trains | _WAITS))


def _imports_from(node: ast.stmt, modules: Set[str]) -> bool:
    if isinstance(node, ast.Import):
        return all(alias.name in modules for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module in modules


def _statement(
    node: ast.stmt, cell: int, order: float, binds: frozenset[str] | None = None, *, trains: bool = False
) -> Statement:
    names = _Names()
    names.visit(node)
    return Statement(
        node=node,
        cell=cell,
        order=order,
        binds=_binds(node, names) if binds is None else binds,
        needs=_needs(node, names),
        trains=trains,
    )


def _is_shallow(node: ast.AST) -> bool:
    """Whether the syntax tree can be walked by functions that call themselves."""
    level = [node]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level for child in ast.iter_child_nodes(parent)]
        if not level:
            return True
    return False


# --- names ----------------------------------------------------------------------------------------------------------


class _Names(ast.NodeVisitor):
    """Names that a statement binds at the top level, and names that it uses at any depth without binding them."""

    def __init__(self) -> None:
        self.binds: set[str] = set()
        self.uses: set[str] = set()
        self.local: list[set[str]] = []

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            if not any(node.id in scope for scope in self.local):
                self.uses.add(node.id)
        elif not self.local:
            self.binds.add(node.id)

    def visit_alias(self, node: ast.alias) -> None:
        if not self.local:
            self.binds.add((node.asname or node.name).split(".")[0])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._outside(node)
        arguments = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        self.local.append(arguments | _assigned(node))
        for child in node.body:
            self.visit(child)
        self.local.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.local.append({a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)})
        self.visit(node.body)
        self.local.pop()
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if not self.local:
            self.binds.add(node.name)
        for child in (*node.bases, *node.keywords, *node.decorator_list):
            self.visit(child)
        self.local.append(set())
        for child in node.body:
            self.visit(child)
        self.local.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.local.append(targets)
        self.generic_visit(node)
        self.local.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def _outside(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """What a function definition evaluates where it stands: decorators, defaults, annotations, its own name."""
        if not self.local:
            self.binds.add(node.name)
        for child in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, node.returns):
            if child is not None:
                self.visit(child)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation is not None:
                self.visit(argument.annotation)


def _assigned(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names that a function's own body binds, less those it declares global."""
    found: set[str] = set()
    shared: set[str] = set()
    for child in ast.walk(node):
        match child:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if child is not node:
                found.add(name)
            case ast.alias():
                found.add((child.asname or child.name).split(".")[0])
            case ast.ExceptHandler(name=str(name)):
                found.add(name)
            case ast.Global(names=names):
                shared.update(names)
    return found - shared


def _binds(node: ast.stmt, names: _Names) -> frozenset[str]:
    """Names bound by a statement. `X.attribute = …` and `X.append(…)` count as a change of X."""
    bound = set(names.binds)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        bound |= {root for target in targets for root in [_root(target)] if root}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        bound |= {root for root in [_root(node.value.func)] if root}
    return frozenset(bound)


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _needs(node: ast.stmt, names: _Names) -> frozenset[str]:
    own = names.binds if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
    return frozenset(names.uses - own - _BUILTINS)


# --- finding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where a definition is: the statement that is cut out, the node to point to, and the name to be called."""

    statement: Statement
    node: ast.AST
    name: str


def _find(
    statements: Sequence[Statement], handing: Sequence[_Handing], wanted: Wanted, given: frozenset[str]
) -> _Target | None:
    """What the notebook itself puts in the wanted place, the last time; else what has the wanted name; else a method."""
    handed = sorted(_handed_over(handing, wanted), key=lambda place: not _is_called(place[1], wanted))
    for statement, value in handed[:_MAX_PLACES]:
        if _is_given(value, given):
            continue
        before = [s for s in statements if s.order <= statement.order]  # a later draft is not what was put in place
        found = _last_definition(before, value.id, given) if isinstance(value, ast.Name) else _made(statement, value)
        if found is not None:
            return _with_arguments(found, handing, wanted)
    found = _last_definition(statements, wanted.name, given)
    return _with_arguments(found, handing, wanted) if found is not None else _method(statements, wanted)


def _is_called(value: ast.expr, wanted: Wanted) -> bool:
    """Whether a function that is handed over by keyword has the wanted name: others are for experiments of one's own."""
    return wanted.keyword is None or (isinstance(value, ast.Name) and value.id == wanted.name)


def _is_given(value: ast.expr, given: frozenset[str]) -> bool:
    """An attribute of the course library's own class, put back or put aside."""
    return isinstance(value, ast.Attribute) and (_last_part(value.value) in given or _root(value) in given)


_Handing = tuple[Statement, ast.AST]


def _handing(statements: Sequence[Statement]) -> list[_Handing]:
    """All assignments and calls, the last statement's first: where a notebook may put a function in its place."""
    nodes = ((statement, node) for statement in reversed(statements) for node in ast.walk(statement.node))
    return [(statement, node) for statement, node in nodes if isinstance(node, ast.Assign | ast.Call)]


def _handed_over(handing: Sequence[_Handing], wanted: Wanted) -> Iterator[tuple[Statement, ast.expr]]:
    """Expressions that the notebook puts in the wanted place, with their statements, the last one first."""
    for statement, node in handing:
        value = _patched(node, wanted.attribute) or _argument(node, wanted)
        if value is not None:
            through = _through(statement.node, value, handing)
            yield from [(statement, value)] if through is None else through


def _through(helper: ast.stmt, value: ast.expr, handing: Sequence[_Handing]) -> list[tuple[Statement, ast.expr]] | None:
    """What calls of a helper pass for a parameter that it hands on; None where it hands on something else."""
    if not isinstance(helper, ast.FunctionDef) or not isinstance(value, ast.Name):
        return None
    places = [argument.arg for argument in (*helper.args.posonlyargs, *helper.args.args)]
    if value.id not in (*places, *(argument.arg for argument in helper.args.kwonlyargs)):
        return None
    place = places.index(value.id) if value.id in places else None
    wanted = Wanted(name=value.id, keyword=(helper.name, value.id), place=place)
    found = [(statement, _argument(node, wanted)) for statement, node in handing]
    return [(statement, passed) for statement, passed in found if passed is not None]


def _patched(node: ast.AST, attribute: tuple[str, str] | None) -> ast.expr | None:
    """The value in `Class.method = value` and `setattr(Class, "method", value)`."""
    match node:
        case ast.Assign(targets=targets, value=value):
            places = [
                (_last_part(target.value), target.attr) for target in targets if isinstance(target, ast.Attribute)
            ]
        case ast.Call(func=ast.Name(id="setattr"), args=[owner, ast.Constant(value=attr), value]):
            places = [(_last_part(owner), str(attr))]
        case _:
            return None
    return value if attribute in places else None


def _argument(node: ast.AST, wanted: Wanted) -> ast.expr | None:
    """The value that a call is given for the wanted keyword, by name or by place."""
    if wanted.keyword is None or not isinstance(node, ast.Call) or _last_part(node.func) != wanted.keyword[0]:
        return None
    by_place = node.args[wanted.place :][:1] if wanted.place is not None else []
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        by_place = node.args[-1:]  # where others are unpacked, nobody can count
    values = [*(k.value for k in node.keywords if k.arg == wanted.keyword[1]), *by_place]
    return next(
        (value for value in values if isinstance(value, ast.Name | ast.Lambda | ast.Call | ast.Attribute)), None
    )


def _last_part(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _last_definition(statements: Sequence[Statement], name: str, given: frozenset[str]) -> _Target | None:
    for statement in reversed(statements):
        for node in _outer_nodes(statement.node):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
                return _Target(statement=statement, node=node, name=name)
            if isinstance(node, ast.Assign) and _names_it(node, name) and _makes(node.value, given):
                return _Target(statement=statement, node=node, name=name)
    return None


def _outer_nodes(node: ast.stmt) -> Iterator[ast.stmt]:
    """A statement, and those in its branches: all that run in the notebook's own scope, the last one first."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for child in reversed(list(ast.iter_child_nodes(node))):
            inner = child.body if isinstance(child, ast.ExceptHandler) else [child]
            for statement in reversed(inner):
                if isinstance(statement, ast.stmt):
                    yield from _outer_nodes(statement)
    yield node


def _makes(value: ast.expr, given: frozenset[str] = frozenset()) -> bool:
    """An expression that may be a function or class of the notebook's: made on the spot, or taken from elsewhere."""
    kinds = ast.Lambda | ast.Call | ast.Attribute | ast.Name | ast.IfExp
    return isinstance(value, kinds) and not _is_given(value, given)


def _names_it(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _made(statement: Statement, value: ast.expr) -> _Target | None:
    """A function that an expression makes where it is put in its place: a lambda, a decorator's or a factory's result."""
    if not _makes(value):
        return None
    name = _IN_PLACE
    node = ast.copy_location(ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=value), value)
    return _synthetic(ast.fix_missing_locations(node), statement, name)


def _method(statements: Sequence[Statement], wanted: Wanted) -> _Target | None:
    """The method inside a class of the right name, when the library was pasted and changed in place; else that of a
    class that derives from it, which then stands for it."""
    if wanted.attribute is None:
        return None
    owner, method = wanted.attribute
    classes = [(s, s.node) for s in reversed(statements) if isinstance(s.node, ast.ClassDef)]
    own = ((s, node, True) for s, node in classes if node.name == owner)
    derived = ((s, node, False) for s, node in classes if any(_last_part(base) == owner for base in node.bases))
    for statement, kind, pasted in (*own, *derived):
        for node in kind.body:
            if isinstance(node, ast.FunctionDef) and node.name == method:
                return _synthetic(node, statement, method) if pasted else _standing_in(node, kind, statement, owner)
    return None


def _standing_in(method: ast.FunctionDef, kind: ast.ClassDef, origin: Statement, owner: str) -> _Target:
    """The method of a derived class, with the class in the place of the one it derives from."""
    code = f"if True:\n    {owner} = {kind.name}\n    {_IN_PLACE} = {kind.name}.{method.name}"
    target = _synthetic(parsed(code).body[0], origin, _IN_PLACE)
    return replace(target, node=method, statement=replace(target.statement, order=origin.order + 0.5))


def _with_arguments(target: _Target, handing: Sequence[_Handing], wanted: Wanted) -> _Target:
    """The same, with those arguments that most calls of the notebook pass beside the library's own."""
    called = wanted.attribute[1] if wanted.attribute else target.name
    made, own = _maker(target.node), len(wanted.parameters)
    if made is None or not own:
        return target
    calls = [node for _, node in handing if isinstance(node, ast.Call) and _last_part(node.func) == called]
    places = [argument.arg for argument in made.args.args[1:]]
    known = {*places, *(argument.arg for argument in made.args.kwonlyargs)} - {*wanted.parameters, *places[:own]}
    passed = Counter(argument for call in calls for argument in _extra_arguments(call, places[own:], own, known))
    usual = {name: text for (name, text), times in passed.items() if 2 * times > len(calls)}
    if not usual:
        return target
    words = "".join(f", {name}={text}" for name, text in usual.items())
    partial = "partialmethod" if wanted.attribute else "partial"
    code = f"import functools\n{_IN_PLACE} = functools.{partial}({target.name}{words})"
    node = ast.If(test=ast.Constant(value=True), body=[target.statement.node, *parsed(code).body], orelse=[])
    statement = replace(target.statement, node=ast.fix_missing_locations(node))
    return replace(target, statement=statement, name=_IN_PLACE)


def _maker(node: ast.AST) -> ast.FunctionDef | None:
    """The function itself, or how a class is made."""
    inside = node.body if isinstance(node, ast.ClassDef) else [node]
    wanted = "__init__" if isinstance(node, ast.ClassDef) else getattr(node, "name", None)
    return next((found for found in inside if isinstance(found, ast.FunctionDef) and found.name == wanted), None)


def _extra_arguments(call: ast.Call, names: Sequence[str], own: int, known: Set[str]) -> Iterator[tuple[str, str]]:
    """(name, value as code) of constant arguments that the library's own does not take: `names` are those that follow its
    `own` places."""
    by_place = zip(names, call.args[own:], strict=False)
    for name, value in (*by_place, *((k.arg, k.value) for k in call.keywords)):
        if name is not None and name in known and isinstance(value, ast.Constant):
            yield name, ast.unparse(value)


def _synthetic(node: ast.stmt, origin: Statement, name: str) -> _Target:
    """A target that is cut out of its statement to stand alone."""
    return _Target(statement=_statement(node, origin.cell, origin.order, frozenset({name})), node=node, name=name)


# --- cutting out ----------------------------------------------------------------------------------------------------


def _definition(wanted: Wanted, target: _Target, statements: Sequence[Statement], given: frozenset[str]) -> Definition:
    needed = _closure(target.statement, statements, given, wanted.attribute)
    future = {ast.unparse(s.node): s for s in statements if _is_future(s.node)}  # holds for all cells below it
    parts = [*future, *(ast.unparse(statement.node) for statement in needed if not _is_future(statement.node))]
    return Definition(
        wanted=wanted.name,
        name=target.name,
        source="\n\n".join(parts) + "\n",
        cell=target.statement.cell,
        line=getattr(target.node, "lineno", 1),
        normal=normal_form(target.node),
    )


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _closure(
    target: Statement, statements: Sequence[Statement], given: frozenset[str], place: tuple[str, str] | None
) -> list[Statement]:
    """The target and every statement that binds a name it needs, in the notebook's order. Of a name that is defined
    anew (def, class, import) only the last time counts; statements that train are left out. A method finds by itself what else
    the notebook puts into the class of its `place`, and into the library's other classes what it asks of them."""
    binding = _by_name(statements)
    later = [s for s in statements if s.order > target.order and target.binds & s.binds and not s.trains]
    classes = (target.needs | ({place[0]} if place else frozenset())) & given
    patches = [(s, _patch(s.node, given)) for s in statements if not s.trains]
    used = {node.attr for node in ast.walk(target.node) if isinstance(node, ast.Attribute)} if place else set()
    bases = [s for s, p in patches if p and p != place and (p[0] in classes or (p[0] in given and p[1] in used))]
    chosen = {s.order: s for s in (target, *later, *bases)}  # what changes it, or what it derives from, belongs to it
    open_names, closed = set().union(*(s.needs for s in chosen.values())), set(given)
    while open_names:
        name = open_names.pop()
        closed.add(name)
        for statement in _since_anew(name, binding.get(name, ())):
            if statement.order not in chosen and statement.order != target.order and not (statement.binds & given):
                chosen[statement.order] = statement
                open_names |= statement.needs - closed
    return [chosen[order] for order in sorted(chosen)]


def _patch(node: ast.stmt, given: frozenset[str]) -> tuple[str, str] | None:
    """Class and method of `Class.method = value`, `setattr(Class, "method", value)`, and of a function under a decorator that
    is given one of the library's classes."""
    match node:
        case ast.Assign(targets=[*_, ast.Attribute(value=ast.Name(id=name), attr=attr)]):
            return name, attr
        case ast.Expr(
            value=ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=name), ast.Constant(value=attr), *_])
        ):
            return name, str(attr)
        case ast.FunctionDef(decorator_list=[ast.Call(args=[ast.Name(id=name), *_]), *_], name=attr) if name in given:
            return name, attr
    return None


def _by_name(statements: Sequence[Statement]) -> Mapping[str, list[Statement]]:
    """The statements that bind a name and do not train, in the notebook's order."""
    found: dict[str, list[Statement]] = {}
    for statement in statements:
        for name in statement.binds if not statement.trains else ():
            found.setdefault(name, []).append(statement)
    return found


def _since_anew(name: str, binding: Sequence[Statement]) -> Sequence[Statement]:
    """The last statement that defines a name anew, and those after it that change it; all, if none does."""
    fresh = next((i for i in reversed(range(len(binding))) if _defines_anew(binding[i].node, name)), 0)
    return binding[fresh:]


def _defines_anew(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
        return True
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)


def _calls(node: ast.stmt, names: frozenset[str]) -> bool:
    """Whether a statement at the top level calls something of these names at once."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    calls = (child.func for child in ast.walk(node) if isinstance(child, ast.Call))
    return any(_last_part(call) in names for call in calls)


def normal_form(node: ast.AST) -> str:
    """The code of a definition without comments, docstrings and layout."""
    copy = parsed(ast.unparse(node))
    for child in ast.walk(copy):
        body = getattr(child, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            child.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(copy)
