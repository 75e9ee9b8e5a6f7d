"""The one place that chooses, and what it says when it cannot."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(importlib.import_module("fastlive").__file__ or "").parent


def python(
    code: str, path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter with that environment."""
    env = {name: value for name, value in os.environ.items() if name != "FASTLIVE_IMPL"}
    if path:
        env["PYTHONPATH"] = str(path)
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        command, env={**env, **environment}, capture_output=True, text=True, check=False
    )


BUILT = ("c", "pure") if list(SOURCES.glob("_core*.so")) else ("pure",)


def expect_on_each_backend(code: str, output: str) -> None:
    """Run code on every backend that is there; it must print that."""
    for implementation in BUILT:
        done = python(code, FASTLIVE_IMPL=implementation)
        assert done.stdout == output, done.stderr


@pytest.fixture
def without_extension(tmp_path: Path) -> Path:
    """A copy of the package as a machine without a compiler has it."""
    package = tmp_path / "fastlive"
    package.mkdir()
    for source in SOURCES.glob("*.py"):
        (package / source.name).symlink_to(source)
    return tmp_path


SHOW = "import fastlive; print(fastlive.IMPL)"


@pytest.mark.parametrize("implementation", ["c", "pure"])
def test_environment_forces_a_backend(implementation: str) -> None:
    if implementation not in BUILT:
        pytest.skip("the C extension is not built")
    done = python(SHOW, FASTLIVE_IMPL=implementation)
    assert (done.stdout, done.stderr) == (f"{implementation}\n", "")


def test_environment_with_a_typing_error_raises() -> None:
    done = python(SHOW, FASTLIVE_IMPL="C")
    assert done.returncode == 1
    assert "ImportError: FASTLIVE_IMPL must be 'c' or 'pure', not 'C'" in done.stderr


def test_missing_extension_falls_back(without_extension: Path) -> None:
    assert python(SHOW, without_extension).stdout == "pure\n"


def test_missing_extension_that_is_forced_raises(without_extension: Path) -> None:
    done = python(SHOW, without_extension, FASTLIVE_IMPL="c")
    assert done.returncode == 1
    assert "FASTLIVE_IMPL=c, but fastlive was installed without its C extension" in done.stderr


def test_broken_extension_raises(without_extension: Path) -> None:
    """It must not silently become ten times slower."""
    suffix = importlib.import_module("sysconfig").get_config_var("EXT_SUFFIX")
    (without_extension / "fastlive" / f"_core{suffix}").write_bytes(b"no shared object")
    done = python(SHOW, without_extension)
    assert done.returncode == 1
    assert "ImportError" in done.stderr


def test_other_platform_says_so(without_extension: Path) -> None:
    """The package installs and imports everywhere; asking names the platform."""
    code = (
        "import sys; sys.platform = 'plan9'; import fastlive\n"
        "for ask in (fastlive.status, fastlive.is_alive, lambda fd: fastlive.check([fd])):\n"
        "    try: ask(0)\n"
        "    except NotImplementedError as error: print(error)\n"
    )
    done = python(code, without_extension)
    assert done.stdout.count("on 'plan9', only on 'linux'") == 3


@pytest.mark.parametrize("patch", ["del select.poll", "socket.socket = Guard"])
def test_monkey_patches_change_nothing(patch: str) -> None:
    """gevent and eventlet put other things into select and socket before anyone else."""
    code = (
        "import select, socket\n"
        "ours, peer = socket.socketpair(); peer.close()\n"
        "class Guard:\n"
        "    def __init__(self, *_, **__): raise RuntimeError('no sockets here')\n"
        f"{patch}\n"
        "import fastlive\n"
        "print(fastlive.status(ours), fastlive.status(ours.fileno()), fastlive.peek([ours]))\n"
    )
    expect_on_each_backend(code, "PEER_CLOSED PEER_CLOSED array('i', [0])\n")


def test_half_imported_ssl_does_no_harm() -> None:
    """Another thread may be importing ssl for the first time."""
    code = (
        "import sys, types, fastlive, socket\n"
        "class Mine(socket.socket): pass\n"
        "sys.modules['ssl'] = types.ModuleType('ssl')\n"
        "mine = Mine(); print(fastlive.status(mine), fastlive.check([mine]))\n"
    )
    expect_on_each_backend(code, "NOT_CONNECTED <Statuses of 1: 1 NOT_CONNECTED>\n")


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("compiler", ["false", "/nonexistent/cc"])
def test_without_a_compiler_it_installs_pure(compiler: str, tmp_path: Path) -> None:
    """A failing compiler costs speed and nothing else; FASTLIVE_IMPL=c makes it a must."""
    pytest.importorskip("Cython", reason="needs the build tools")
    if not (ROOT / "setup.py").exists():
        pytest.skip("no sources here")
    sources = tmp_path / "sources"
    shutil.copytree(ROOT / "src", sources / "src", ignore=shutil.ignore_patterns("*.so"))
    shutil.copytree(ROOT / "csrc", sources / "csrc")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation"]
    command += ["--no-deps", "--no-index", "--target", str(tmp_path / "installed"), str(sources)]
    environment = {name: value for name, value in os.environ.items() if name != "FASTLIVE_IMPL"}
    environment["CC"] = compiler

    must = subprocess.run(
        command, env={**environment, "FASTLIVE_IMPL": "c"}, capture_output=True, check=False
    )
    assert must.returncode != 0
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert python(SHOW, tmp_path / "installed").stdout == "pure\n"
