"""One extension, and the list of sources that each platform needs.

``FASTLIVE_IMPL=c`` makes the extension a must, ``pure`` leaves it out; without it
a failing compiler costs speed and nothing else.
"""

import os
import sys

from setuptools import Extension, setup

# The platform files: each implements csrc/fl_sys.h.
PLATFORM_SOURCES = {
    "linux": ["csrc/fl_sys_linux.c", "csrc/fl_tcp_info.c"],
}
COMMON_SOURCES = [
    "src/fastlive/_core.pyx",
    "csrc/fl_check.c",
    "csrc/fl_judge.c",
    "csrc/fl_take.c",
]
HEADERS = [
    "csrc/fl.h",
    "csrc/fl_observation.def",
    "csrc/fl_sys.h",
    "csrc/fl_tcp_info.h",
    "csrc/fl_tcp_info_linux.def",
    "src/fastlive/_core.pxd",
]
FLAGS = ["-std=c11", "-O2", "-fvisibility=hidden", "-g0", "-Wall", "-Wextra"]
FLAGS += ["-Werror=implicit-function-declaration"]


def extensions():
    """The extension for this platform, or none."""
    wanted = os.environ.get("FASTLIVE_IMPL", "")
    if wanted not in ("", "c", "pure"):
        raise SystemExit(f"FASTLIVE_IMPL must be 'c' or 'pure', not {wanted!r}")
    if wanted == "pure" or (wanted == "" and sys.platform not in PLATFORM_SOURCES):
        return []
    if sys.platform not in PLATFORM_SOURCES:
        raise SystemExit(f"FASTLIVE_IMPL=c: there is no C backend for {sys.platform!r}")
    from Cython.Build import cythonize

    extension = Extension(
        "fastlive._core",
        COMMON_SOURCES + PLATFORM_SOURCES[sys.platform],
        include_dirs=["csrc"],
        depends=HEADERS,
        extra_compile_args=FLAGS,
        optional=wanted != "c",
    )
    made = cythonize([extension], build_dir="build/cython")
    for each in made:
        each.optional = extension.optional  # cythonize() forgets it
    return made


setup(ext_modules=extensions())
