"""The whole suite runs on both backends: `fl` is the package, once on each.

`loaded("c")` is the package as everybody imports it. `loaded("pure")` is the same
package imported a second time under FASTLIVE_IMPL=pure, so that the tests go
through the same doors as a user: the choice of the backend, and the public names.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

IMPLEMENTATIONS = ("c", "pure")


@cache
def loaded(implementation: str) -> Any:
    """The package on that backend; skips where it has not been built."""
    package = importlib.import_module("fastlive")
    if implementation == package.IMPL:
        return package
    if implementation == "c":
        pytest.skip("the C extension is not built, or FASTLIVE_IMPL=pure forbids it")
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _ours(name)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTLIVE_IMPL", implementation)
        package = importlib.import_module("fastlive")
    for name in [name for name in sys.modules if _ours(name)]:
        del sys.modules[name]
    sys.modules.update(kept)
    assert implementation == package.IMPL
    return package


def _ours(name: str) -> bool:
    return name == "fastlive" or name.startswith("fastlive.")


@pytest.fixture(params=IMPLEMENTATIONS, scope="session")
def fl(request: pytest.FixtureRequest) -> Any:
    """fastlive on one backend."""
    return loaded(request.param)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What the test opens, closed at its end."""
    with ExitStack() as opened:
        yield opened
