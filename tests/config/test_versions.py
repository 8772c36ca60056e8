"""No server starts with a library whose faults are known."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from app.config import checks, versions
from app.config.environment import WrongVariables
from app.config.settings import Settings


def test_what_is_locked_has_no_known_hole() -> None:
    assert versions.problems() == {}


@pytest.mark.parametrize("package", sorted(versions.LEAST))
def test_a_version_with_a_known_hole_stops_the_start(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions.problems(lambda name: "0.9.1" if name == package else "9999.0")
    assert found.keys() == {package}
    assert "0.9.1 is installed" in found[package]
    assert f"Install {versions.LEAST[package][0]} or newer." in found[package]
    monkeypatch.setattr(versions, "problems", lambda: found)
    with pytest.raises(WrongVariables, match=r"0\.9\.1 is installed"):
        checks.checked(Settings(_env_file=None))


def test_the_least_version_itself_and_one_that_is_not_there_are_good() -> None:
    def installed(name: str) -> str:
        if name == "h11":
            raise PackageNotFoundError
        return versions.LEAST[name][0]

    assert versions.problems(installed) == {}


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.0.0", "1.0.1"), ("0.49.1", "1.0.0"), ("3.1.5", "3.1.10"), ("2024.1.1", "2026.3.6"), ("1.4", "1.4.3")],
)
def test_versions_are_compared_by_their_numbers(older: str, newer: str) -> None:
    assert versions.numbers(older) < versions.numbers(newer)
    assert versions.numbers(f"{newer}rc1") == versions.numbers(newer)


def test_nothing_is_imported_for_it() -> None:
    code = (
        "import sys\nfrom app.config import versions\nversions.problems()\n"
        "print(*({'rasterio', 'imagecodecs', 'starlette'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
