# SPDX-License-Identifier: GPL-3.0-or-later
"""Every string of the extension that an artist can read, found in its sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Call -> keywords and positions (from 0) whose strings are shown; Blender or the callee translates.
_SHOWN: dict[str, tuple[str | int, ...]] = {
    "label": ("text",),
    "prop": ("text", "placeholder"),
    "operator": ("text",),
    "menu": ("text",),
    "draw_text": (1,),
    "_section": (1,),
    "_draw_choice": (1,),
    "poll_message_set": (0,),
    "invoke_props_dialog": ("title", "confirm_text"),
    "invoke_confirm": ("title", "message", "confirm_text"),
    "_": (0,),
    "pgettext_iface": (0,),
    "pgettext_rpt": (0,),
    "pgettext_data": (0,),
    "report": (1,),
    **{
        f"{kind}Property": ("name", "description")
        for kind in ("Bool", "Int", "Float", "String", "Enum", "Pointer", "Collection")
    },
}
_NAMED = ("bl_label", "bl_description")


def strings_of(source: str) -> set[str]:
    return {text for text in _strings(ast.parse(source)) if any(map(str.isalpha, text))}


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign):
            if any(isinstance(t, ast.Name) and t.id in _NAMED for t in node.targets):
                yield from _literals(node.value)
            names = {t.id for t in node.targets if isinstance(t, ast.Name)}
            names |= {t.attr for t in node.targets if isinstance(t, ast.Attribute)}
            if names & {"text", "words", "title", "hint", "_MODEL"}:  # what is drawn a line later
                yield from _literals(node.value)
            if names & {"STAGES", "STATES"}:
                yield from _texts(ast.Tuple(node.value.values))
            if "_HEADINGS" in names:
                yield from _texts(node.value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.IfExp):
            yield from _literals(node.value)
        elif isinstance(node, ast.ClassDef) and "_OT_" in node.name:
            described = any(
                isinstance(line, ast.Assign) and line.targets[0].id == "bl_description"
                for line in node.body
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
            )
            if not described:
                yield ast.get_docstring(node, clean=False) or ""


def _of_call(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    for place in _SHOWN.get(name, ()):
        if isinstance(place, int):
            if len(call.args) > place:
                yield from _literals(call.args[place])
        for keyword in call.keywords:
            if keyword.arg == place:
                yield from _literals(keyword.value)
    if name == "EnumProperty":
        for keyword in call.keywords:
            if keyword.arg == "items":
                for item in ast.walk(keyword.value):
                    if isinstance(item, ast.Tuple) and len(item.elts) >= 3:
                        yield from _literals(item.elts[1])
                        yield from _literals(item.elts[2])


def _texts(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value


def _literals(node: ast.AST) -> Iterator[str]:
    """What the expression can be; an f-string, which no table can hold, as it is written."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        if any(
            isinstance(part, ast.Constant) and any(map(str.isalpha, part.value))
            for part in node.values
        ):
            yield ast.unparse(node)


def sentences_of(source: str) -> set[str]:
    """Every text, written in one or several pieces, with {} for each value put in.

    Where the code adds pieces that differ, all that it can come to.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            found.update(_shapes(node))
    return found


def _shapes(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        return ["".join(parts)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _shapes(node.left), _shapes(node.right)
        return [a + b for a in left or ["{}"] for b in right or ["{}"]]
    return []


def sources(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
    }
