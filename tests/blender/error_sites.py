# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sentence that an artist can get to read when something goes wrong, found in the sources.

Looked at are the extension and those modules of hy3dgen that a worker or the extension can come to
import. A sentence stands where an error of `hy3dgen.errors` is made, or in a variable that by its
name holds a part of one. `VALUE` stands for what the code puts in.
"""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VALUE = "@"
# Function -> position of an argument that becomes a part of its error.
_SPOKEN = {
    "require_faces": 0,
    "_check_something_left": 1,
    "check_space": 2,
    "_end_with": 1,
    "Status": 1,
    "Choice": 1,
    "report": 0,
    "progress": 0,
}
_LEVELS = ("INFO", "WARNING", "ERROR")
PARTS = {
    *(
        "advice",
        "found",
        "lacking",
        "lacks",
        "missing",
        "problem",
        "problems",
        "reason",
        "said",
        "stage",
    ),
    *("sentence", "state", "wanted", "wanting", "what", "why", "words", "wrong"),
}
_MOST = 64  # sentences of one place


@dataclass(frozen=True)
class Site:
    """`place`: the file and the innermost class and function, as in `a/b.py::Class.function`."""

    place: str
    text: str


def sites(root: Path, roots: list[str]) -> list[Site]:
    """What can be said in the modules below `root` (packages' parent) that `roots` import."""
    errors = _classes(root)
    found = []
    for module in sorted(_reachable(root, roots)):
        path = _file(root, module)
        reader = _Reader(root, module, ast.parse(path.read_text(encoding="utf-8")), errors)
        name = path.relative_to(root).as_posix()
        found += [Site(f"{name}::{place}", text) for place, text in reader.sentences()]
    return found


# --- which modules --------------------------------------------------------------------------------


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _reachable(root: Path, roots: list[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in seen or _file(root, module) is None:
            continue
        seen.add(module)
        waiting += _imports(root, module)
    return seen


def _imports(root: Path, module: str) -> Iterator[str]:
    """Everything imported, in functions too, and modules named in tables of lazy exports."""
    path = _file(root, module)
    parts = module.split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.startswith(".") and node.value.replace(".", "").isidentifier():
                yield ".".join(package) + node.value


def _classes(root: Path) -> set[str]:
    """Names of all errors that are made on purpose, but for those that nobody reads."""
    found: set[str] = {"Hy3DError"}
    bases = {}
    for path in root.rglob("hy3dgen/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found - {"Cancelled", "SilenceError", "KernelsUnavailableError"}


# --- what they say --------------------------------------------------------------------------------


class _Reader:
    def __init__(self, root: Path, module: str, tree: ast.Module, errors: set[str]) -> None:
        self._root, self._module, self._tree, self._errors = root, module, tree, errors
        self._functions = {
            node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
        self._open: set[str] = set()

    def sentences(self) -> Iterator[tuple[str, str]]:
        yield from self._within(self._tree, [], [self._tree])

    def _within(
        self, node: ast.AST, place: list[str], scopes: list[ast.AST]
    ) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef) and child.name == "sentence":
                call = ast.Call(ast.Name(child.name), [], [])
                yield from ((".".join([*place, child.name]), text) for text in self._called(call))
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = [*scopes, child] if isinstance(child, ast.FunctionDef) else scopes
                yield from self._within(child, [*place, child.name], inner)
                continue
            for expression in self._said(child):
                for text in self._texts(expression, scopes):
                    if any(map(str.isalpha, text)):
                        yield ".".join(place), text
            yield from self._within(child, place, scopes)

    def _said(self, node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in self._errors and node.args:
                yield node.args[0]
            elif name in _SPOKEN and len(node.args) > _SPOKEN[name]:
                yield node.args[_SPOKEN[name]]
            elif name == "append" and ast.unparse(node.func).partition(".")[0] in PARTS:
                yield node.args[0]
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            level, text = node.elts
            told = self._module.startswith("hunyuan3d_blender")  # a report of a job
            if told and isinstance(level, ast.Constant) and level.value in _LEVELS:
                yield text
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if ast.unparse(targets[0]) == "self._stage" and isinstance(node.value, ast.Tuple):
                yield node.value.elts[0]
            if any(isinstance(target, ast.Name) and target.id in PARTS for target in targets):
                if isinstance(node.value, (ast.Constant, ast.JoinedStr, ast.IfExp)):
                    yield node.value

    def _texts(self, node: ast.expr, scopes: list[ast.AST]) -> list[str]:
        """All that the expression can come to."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else [VALUE]
        if isinstance(node, ast.IfExp):
            return self._texts(node.body, scopes) + self._texts(node.orelse, scopes)
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self._texts(value, scopes)]
        if isinstance(node, ast.JoinedStr):
            return self._joined([self._texts(part, scopes) for part in node.values])
        if isinstance(node, ast.FormattedValue):
            plain = node.conversion == -1 and node.format_spec is None
            return self._texts(node.value, scopes) if plain else [VALUE]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([self._texts(node.left, scopes), self._texts(node.right, scopes)])
        if isinstance(node, ast.Name):
            return self._named(node.id, scopes)
        if isinstance(node, ast.Call):
            joined = self._listed(node, scopes[-1])
            return self._called(node) if joined is None else joined
        return [VALUE]

    def _listed(self, node: ast.Call, scope: ast.AST) -> list[str] | None:
        """Some or all of what was appended to a list whose items the call joins."""
        joins = isinstance(node.func, ast.Attribute) and node.func.attr == "join" and node.args
        if not joins or not isinstance(node.args[0], ast.Name):
            return None
        appended = [
            self._texts(call.args[0], [self._tree, scope])
            for call in ast.walk(scope)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == f"{node.args[0].id}.append"
        ]
        between = self._texts(node.func.value, [self._tree])[0]
        some = [
            between.join(texts)
            for count in range(1, len(appended) + 1)
            for chosen in itertools.combinations(appended, count)
            for texts in itertools.product(*chosen)
        ]
        return some or None

    @staticmethod
    def _joined(parts: list[list[str]]) -> list[str]:
        return ["".join(texts) for texts in itertools.islice(itertools.product(*parts), _MOST)]

    def _named(self, name: str, scopes: list[ast.AST]) -> list[str]:
        """What is assigned to the name in the innermost scope that does so; else a value."""
        for scope in reversed(scopes):
            nodes = scope.body if scope is self._tree else ast.walk(scope)
            values = [
                node.value
                for node in nodes
                if isinstance(node, ast.Assign)
                and any(
                    isinstance(target, ast.Name) and target.id == name for target in node.targets
                )
            ]
            if values:
                return self._once(name, values, scopes)
        return [VALUE]

    def _called(self, node: ast.Call) -> list[str]:
        """What a function or method of the same file returns; else a value."""
        name = ast.unparse(node.func).rpartition(".")[2]
        function = self._functions.get(name)
        if function is None:
            return [VALUE]
        values = [
            inner.value
            for inner in ast.walk(function)
            if isinstance(inner, ast.Return) and inner.value is not None
        ]
        return self._once(f"{name}()", values, [self._tree, function])

    def _once(self, name: str, values: list[ast.expr], scopes: list[ast.AST]) -> list[str]:
        """What the values of a name come to; within itself it stands for a value."""
        if name in self._open or not values:
            return [VALUE]
        self._open.add(name)
        texts = [text for value in values for text in self._texts(value, scopes)]
        self._open.discard(name)
        return texts
