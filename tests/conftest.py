"""The whole suite runs on both backends: `fl` is the package, once on each.

The package is imported a second time under FASTLIVE_IMPL, so that the tests go
through the same doors as a user: the choice of the backend, and the public names.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest

IMPLEMENTATIONS = ("c", "pure")


def load(implementation: str) -> Any:
    """Import fastlive afresh with that backend, without disturbing the usual one."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _ours(name)}
    before = os.environ.get("FASTLIVE_IMPL")
    os.environ["FASTLIVE_IMPL"] = implementation
    try:
        package: ModuleType = importlib.import_module("fastlive")
        importlib.import_module("fastlive._backend")
    finally:
        for name in [name for name in sys.modules if _ours(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        if before is None:
            del os.environ["FASTLIVE_IMPL"]
        else:
            os.environ["FASTLIVE_IMPL"] = before
    assert package.IMPL == implementation
    return package


def _ours(name: str) -> bool:
    return name == "fastlive" or name.startswith("fastlive.")


_loaded: dict[str, Any] = {}


def loaded(implementation: str) -> Any:
    """The package on that backend, imported once."""
    if implementation not in _loaded:
        _loaded[implementation] = load(implementation)
    return _loaded[implementation]


@pytest.fixture(params=IMPLEMENTATIONS, scope="session")
def fl(request: pytest.FixtureRequest) -> Any:
    """fastlive on one backend."""
    return loaded(request.param)


@pytest.fixture
def stack() -> Any:
    """What the test opens, closed at its end."""
    with ExitStack() as opened:
        yield opened
