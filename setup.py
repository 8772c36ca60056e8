"""What of the package is compiled: the kernels of ``tilery/kernels``. Everything else is in pyproject.toml.

In place, as a checkout uses it (``make`` does it whenever a source has changed):

    .venv/bin/python setup.py --quiet build_ext --inplace
"""

from __future__ import annotations

from setuptools import Extension, setup

LOWEST = "0x030b0000"
"""CPython 3.11, the first whose stable ABI has buffers: one binary for it and for all that follow."""

setup(
    ext_modules=[
        Extension(
            "tilery.kernels._compiled",
            sources=[
                f"tilery/kernels/src/{name}.c"
                for name in ("module", "arrays", "comparing", "counting", "deflating", "folding", "halving", "warping")
            ],
            depends=["tilery/kernels/src/kernels.h"],
            define_macros=[("Py_LIMITED_API", LOWEST)],
            # the same results on each processor: no fused multiplication and addition
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra"],
            extra_link_args=["-Wl,-s"],
            py_limited_api=True,
            # without a compiler, or in an interpreter without the stable ABI, NumPy does the work
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
