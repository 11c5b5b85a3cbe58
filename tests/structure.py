"""Counts of what makes code hard to follow, each with its places.

    python tests/structure.py               the counts in skmaf
    python tests/structure.py private=0     exit 1 where more are found than this

private   an access to a private member of another object: x._name, where x is not self or cls
sklearn   an import of a private name or module of scikit-learn outside of _compat.py
width     lines of over 100 columns
parallel  one statement that assigns several names from several expressions (a swap is none)
long      functions of over 40 lines, their docstring not counted
stack     a stacklevel written as a number
upward    a package that imports what stands above it
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "skmaf"
MAX_WIDTH = 100
MAX_LINES = 40

# what each package may import of skmaf, beside modules whose names begin with an underscore
BELOW: dict[str, set[str]] = {
    "table": set(),
    "flows": set(),
    "reading": set(),
    "training": {"flows"},
    "models": {"table", "flows", "training"},
    "inference": {"table", "flows", "training", "models"},
    "report": {"table"},
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and is_private(node.attr)):
            continue
        owner = node.value
        is_self = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
        is_super = isinstance(owner, ast.Call) and getattr(owner.func, "id", "") in (
            "super",
            "type",
        )
        if not (is_self or is_super):
            yield node


def sklearn(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn")):
            continue
        parts = [*node.module.split("."), *(alias.name for alias in node.names)]
        if any(part.startswith("_") for part in parts):
            yield node


def parallel(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)):
            continue
        if isinstance(node.value, ast.Tuple):
            targets = {ast.unparse(target) for target in node.targets[0].elts}
            if targets != {ast.unparse(value) for value in node.value.elts}:
                yield node


def long(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and body[-1].end_lineno - body[0].lineno + 1 > MAX_LINES:
                yield node


def stack(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        is_level = isinstance(node, ast.keyword) and node.arg == "stacklevel"
        if is_level and isinstance(node.value, ast.Constant):
            yield node.value


def upward(tree: ast.AST, parts: tuple[str, ...]) -> Iterator[ast.AST]:
    if len(parts) == 1 or parts[0] not in BELOW:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level >= len(parts):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            heads = {name.split(".")[0] for name in names}
            if any(not head.startswith("_") for head in heads - BELOW[parts[0]]):
                yield node


def findings(root: Path = ROOT) -> dict[str, list[str]]:
    """The places of each kind, as "file:line"."""
    found: dict[str, list[str]] = {
        kind: [] for kind in ("private", "sklearn", "width", "parallel", "long", "stack", "upward")
    }
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines = enumerate(text.splitlines(), 1)
        found["width"] += [f"{name}:{i}" for i, line in lines if len(line) > MAX_WIDTH]
        nodes = {
            "private": private(tree),
            "sklearn": sklearn(tree) if path.name != "_compat.py" else [],
            "parallel": parallel(tree),
            "long": long(tree),
            "stack": stack(tree),
            "upward": upward(tree, name.parts),
        }
        for kind, places in nodes.items():
            found[kind] += [f"{name}:{node.lineno}" for node in places]
    return found


if __name__ == "__main__":
    limits = dict(argument.split("=") for argument in sys.argv[1:])
    exceeded = False
    for kind, places in findings().items():
        print(f"{kind:9s} {len(places):5d}   {'; '.join(places[:4])}")
        exceeded |= kind in limits and len(places) > int(limits[kind])
    sys.exit(exceeded)
