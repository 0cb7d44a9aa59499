"""What a source file imports from this project, read from the sources without running them."""

import ast
from collections.abc import Container, Iterator
from pathlib import Path


def closure(file: Path, root: Path, stop: Container[str] = ()) -> set[Path]:
    """A source file and all files of the project that it imports, directly or through others.

    Args:
        file: below root.
        root: the checkout: packages lie in it and in its `src`.
        stop: files, relative to root, that are left out with what only they import.

    Returns:
        Paths relative to root. An `__init__.py` that is run on the way counts.
    """
    found: set[Path] = set()
    todo = {file.relative_to(root) if file.is_absolute() else file}
    while todo:
        path = todo.pop()
        if path.as_posix() in stop:
            continue
        found.add(path)
        todo |= {each for name in names(root / path) for each in _files(name, root)} - found
    return found


def names(file: Path) -> Iterator[str]:
    """The dotted names that a file imports, of modules or of what is in them."""
    todo: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if not _is_for_type_checkers(node):
            todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_type_checkers(node: ast.AST) -> bool:
    """Whether a node is `if TYPE_CHECKING: ...`, which never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _files(name: str, root: Path) -> Iterator[Path]:
    """The files that are run to import a module: its packages' `__init__.py` and its own."""
    parts = name.split(".")
    for base in (Path(), Path("src")):
        for length in range(1, len(parts) + 1):
            module = base.joinpath(*parts[:length])
            for file in (module / "__init__.py", module.with_suffix(".py")):
                if (root / file).is_file():
                    yield file
