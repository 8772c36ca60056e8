"""Tiles of one region share a polynomial: their positions are PROJ's all the same, and PROJ is asked once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rasterio.transform import Affine

from tests.reading.conftest import WEB, noise, profile_of, web_grid, write
from tests.reading.grid.test_nearest import exact_positions
from tilery.geo import crs as crs_
from tilery.geo.raster import Crs, Grid
from tilery.reading.grid.coordinates import Placer
from tilery.reading.grid.pieces import Smooth
from tilery.reading.profile import Profile


@pytest.fixture
def profile(tmp_path: Any) -> Profile:
    file = write(tmp_path / "a.tif", noise(1, 64, 64), transform=Affine(500.0, 0, 500000.0, 0, -500.0, 5500000.0))
    return profile_of(file)


def positions(piece: Smooth, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.empty((2, grid.height, grid.width))
    piece.positions((1.0, 1.0), (0.0, 0.0), slice(0, grid.height), (x, y))
    return x, y


@pytest.mark.parametrize("z", [12, 14, 16, 20, 24])
def test_sixteen_tiles_ask_once_and_lie_where_they_should(
    profile: Profile, z: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    transform = crs_.transform_points

    def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return transform(*arguments)

    placer = Placer(profile)
    side = 2 * WEB / 2**z
    middle_x, middle_y = transform(Crs("EPSG:32633"), crs_.WEB_MERCATOR, [516000.0], [5484000.0])
    column, row = int((middle_x[0] + WEB) / side) // 4 * 4, int((WEB - middle_y[0]) / side) // 4 * 4
    for number in range(16):
        grid = web_grid(z, column + number % 4, row + number // 4)
        with monkeypatch.context() as patched:
            patched.setattr(crs_, "transform_points", counted)
            (piece,) = placer.place(grid).pieces
        assert isinstance(piece, Smooth)
        whole = Grid(crs=grid.crs, bounds=grid.bounds, width=256, height=256)
        x, y = exact_positions(profile, whole)
        rows, columns = piece.rows, piece.columns
        found_x = np.full_like(x, np.nan)
        found_y = np.full_like(y, np.nan)
        part = Grid(crs=grid.crs, bounds=grid.bounds, width=columns.stop - columns.start, height=rows.stop - rows.start)
        found_x[rows, columns], found_y[rows, columns] = positions(piece, part)
        scale = max(1.0, float(np.abs(np.diff(x, axis=1)).max()))
        assert np.nanmax(np.abs(found_x - x)) < 0.005 * scale
        assert np.nanmax(np.abs(found_y - y)) < 0.005 * scale
        low_x, high_x, low_y, high_y = piece.extent
        assert low_x <= np.nanmin(found_x)
        assert np.nanmax(found_x) <= high_x
        assert low_y <= np.nanmin(found_y)
        assert np.nanmax(found_y) <= high_y
    assert asked == 1


def test_a_grid_beside_the_others_is_placed_by_itself(profile: Profile) -> None:
    placer = Placer(profile)
    z, side = 12, 2 * WEB / 2**12
    middle_x, middle_y = crs_.transform_points(Crs("EPSG:32633"), crs_.WEB_MERCATOR, [516000.0], [5484000.0])
    column, row = int((middle_x[0] + WEB) / side), int((WEB - middle_y[0]) / side)
    tile = web_grid(z, column, row)
    placer.place(tile)
    for share in (0.3 / 256, 0.1, 0.45):
        left, bottom, right, top = tile.bounds
        moved = Grid(
            crs=tile.crs,
            bounds=(left + share * side, bottom, right + share * side, top),
            width=256,
            height=256,
        )
        (piece,) = placer.place(moved).pieces
        assert isinstance(piece, Smooth)
        x, y = exact_positions(profile, moved)
        found_x, found_y = positions(piece, moved)
        assert np.abs(found_x - x).max() < 0.005
        assert np.abs(found_y - y).max() < 0.005
