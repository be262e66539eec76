"""Which groups a consumer may join, read from its source: the beginning of each name given to `group_add`.

A name that is put together elsewhere is unknown and counts as any. Nothing is run.
"""

from __future__ import annotations

import ast
import inspect
import textwrap

UNKNOWN = ""
"""Any name may begin with nothing."""


def may_join(consumer: type, pattern: str) -> bool:
    """Whether a group of this consumer can be one of the pattern, such as `chat.{room}`."""
    fixed = pattern.partition("{")[0]
    listed = getattr(consumer, "groups", None) or ()
    names = [name for name in listed if isinstance(name, str)]
    starts = [start for cls in consumer.__mro__ for start in _joined(cls)]
    # What is listed is the whole name; of what is joined only the beginning is known.
    return any(name.startswith(fixed) for name in names) or any(
        start.startswith(fixed) or fixed.startswith(start) for start in starts
    )


def _joined(cls: type) -> list[str]:
    """How the groups begin that the methods of this class itself join."""
    if cls.__module__.partition(".")[0] in ("builtins", "channels"):
        return []
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return []
    assigned = _assignments(tree)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    joins = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "group_add")
    return [start for call in joins for start in _starts(call.args[0], assigned, set())]


def _assignments(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """What each name or attribute of `self` is set to, anywhere in the class."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            name = _name(target)
            if name is not None:
                found.setdefault(name, []).append(value)
    return found


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


def _starts(node: ast.expr, assigned: dict[str, list[ast.expr]], seen: set[str]) -> list[str]:
    """The possible beginnings of a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return _starts(node.values[0], assigned, seen) if node.values else [UNKNOWN]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return [start.partition("%")[0] for start in _starts(node.left, assigned, seen)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _starts(node.left, assigned, seen)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return [start.partition("{")[0] for start in _starts(node.func.value, assigned, seen)]
    name = _name(node)
    if name is None or name in seen or name not in assigned:
        return [UNKNOWN]
    return [start for value in assigned[name] for start in _starts(value, assigned, seen | {name})]
