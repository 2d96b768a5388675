"""Every benchmark says what it measures and how it is run, and stands in the table."""

import ast
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(set(FOLDER.glob("*.py")) - {FOLDER / "side_by_side.py"})
TABLE = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_benchmark_says_how_it_is_run_and_stands_in_the_table(script):
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    command = f"python benchmarks/{script.name}"
    assert text and command in text
    row = next((line for line in TABLE.splitlines() if line.startswith(f"| `{script.name}` |")), "")
    assert f"`{command}`" in row and row.count("|") == 6


def test_the_extra_of_the_benchmarks_brings_what_they_compare_with():
    """Third-party packages that scripts of peers import are those of the extra, or dependencies and tests' packages."""
    import tomllib

    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["test"], *extras["peers"]]
    known = {re.split(r"[\[<>=~! ]", r)[0].lower() for r in named} | {"hamsym", "side_by_side"}
    for script in FOLDER.glob("peers_*.py"):
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.split(".")[0]
                assert top in known or top in sys.stdlib_module_names, (script.name, name)
