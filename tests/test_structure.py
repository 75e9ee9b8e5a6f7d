"""The house rules: who may import whom, and which names are public."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastlive
from fastlive import _pure

PACKAGE = Path(fastlive.__file__).parent
ROOT = Path(__file__).parents[1]

#: Floors from the ground up: a module imports from lower floors only.
FLOORS = [
    {"_types", "_version"},
    {"_targets"},
    {"_pure_judge", "_pure_linux"},
    {"_pure", "_core"},
    {"_backend"},
    {"_check"},
    {"__init__"},
    {"_demo_peer"},
    {"_demo"},
    {"cli"},
    {"__main__"},
]


def imports(source: Path) -> Iterator[str]:
    """The modules of this package that a file imports; __init__ for the package."""
    text = source.read_text()
    if source.suffix == ".pyx":  # Cython's own imports aside, the syntax is Python's
        text = "\n".join(re.findall(r"^from fastlive.*import [^(\n]*$", text, re.MULTILINE))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fastlive":
            if node.module != "fastlive":
                yield (node.module or "").split(".")[1]
            else:
                for alias in node.names:
                    is_module = any(PACKAGE.glob(f"{alias.name}.py*"))
                    yield alias.name if is_module else "__init__"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "fastlive":
                    yield [*alias.name.split("."), "__init__"][1]


SOURCES = sorted([*PACKAGE.glob("*.py"), *PACKAGE.glob("*.pyx")])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_imports_point_down(source: Path) -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert source.stem in floor, "a new module needs its place in FLOORS"
    for imported in imports(source):
        assert floor[imported] < floor[source.stem], f"{source.name} imports {imported}"


def test_imports_are_found() -> None:
    """The test above would pass for files it cannot read."""
    assert {"_targets", "_types"} <= set(imports(PACKAGE / "_core.pyx"))
    assert {"_targets", "_types", "_pure_judge"} <= set(imports(PACKAGE / "_pure.py"))


def test_core_knows_nothing_of_python() -> None:
    for source in (ROOT / "csrc").glob("*.[ch]"):
        assert "Python.h" not in source.read_text()


def test_core_allocates_nothing() -> None:
    """Its arrays are the caller's, or stand on the stack."""
    for source in (ROOT / "csrc").glob("*.c"):
        assert not re.search(r"\b(malloc|calloc|realloc|strdup|alloca)\b", source.read_text())


def test_conditions_stand_only_in_platform_files() -> None:
    for source in (ROOT / "csrc").glob("*.c"):
        if not source.name.startswith(("fl_sys_", "fl_poller_")):
            assert not re.search(r"^ *# *(if|ifdef|ifndef) ", source.read_text(), re.MULTILINE)


def test_library_needs_only_the_standard_library() -> None:
    """Importing it loads nothing else, and nothing slow."""
    code = (
        "import sys; before = set(sys.modules); import fastlive\n"
        "new = {n.split('.')[0] for n in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))\n"
        "print(*(n for n in ('ssl', 'asyncio', 'subprocess', 'argparse') if n in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foreign, slow = done.stdout.split("\n")[:2]
    ours = {"fastlive", "cython_runtime", "_cython"}  # Cython registers its runtime's names
    assert {name for name in foreign.split() if not name.startswith("_cython")} <= ours
    assert slow == ""


PUBLIC = {
    "IMPL",
    "Status",
    "Statuses",
    "__version__",
    "check",
    "dead",
    "is_alive",
    "is_reusable",
    "peek",
    "status",
    "take_error",
}


def test_public_names() -> None:
    assert set(fastlive.__all__) == PUBLIC
    assert len(fastlive.__all__) == len(PUBLIC)
    visible = {name for name in vars(fastlive) if not name.startswith("_")}
    assert visible <= PUBLIC | {"cli"}


FUNCTIONS = sorted(name for name in PUBLIC if inspect.isroutine(getattr(fastlive, name)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_documented(name: str) -> None:
    """Args, Returns, Raises, Source, and a signature for help()."""
    function = getattr(fastlive, name)
    doc = inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:", "Source:"):
        assert section in doc
    assert "/" in str(inspect.signature(function))


@pytest.mark.parametrize("name", ["is_alive", "is_reusable", "status"])
def test_backends_document_alike(name: str) -> None:
    """The scalar functions are the backend's own, so their words stand twice."""
    core = pytest.importorskip("fastlive._core")
    assert inspect.getdoc(getattr(core, name)) == inspect.getdoc(getattr(_pure, name))
    assert inspect.signature(getattr(core, name)).parameters.keys() == (
        inspect.signature(getattr(_pure, name)).parameters.keys()
    )
