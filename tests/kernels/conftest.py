"""Each test runs with the compiled kernels, where they are, and with those in NumPy."""

from __future__ import annotations

from types import ModuleType

import pytest

import tilery.kernels
from tilery.kernels import reference


@pytest.fixture
def compiled() -> ModuleType:
    """The functions of `tilery.kernels`, compiled."""
    if not tilery.kernels.COMPILED:
        pytest.skip("the kernels are not compiled here")
    return tilery.kernels


@pytest.fixture(params=["compiled", "reference"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The functions of `tilery.kernels`, both ways."""
    if request.param == "compiled":
        found: ModuleType = request.getfixturevalue("compiled")
        return found
    monkeypatch.setattr(tilery.kernels, "_kernels", reference)
    return tilery.kernels
