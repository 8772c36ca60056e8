"""How a published raster is compressed: five profiles, and which rasters each of them fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tilery.errors import InvalidParameter
from tilery.publishing.kinds import Kind
from tilery.reading.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """How blocks are compressed."""

    name: str
    compress: str
    lossless: bool
    ratio: float
    """Size to expect against the raw pixels, for estimates only."""
    level: int | None = None
    quality: int | None = None

    def options(self, dtype: str) -> dict[str, str]:
        """Return creation options of GDAL's COG driver. The predictor goes by the data type: differences of neighbours
        for integers, of bytes for floats (TIFF technical note 3).
        """
        options = {"COMPRESS": self.compress}
        if self.compress in ("DEFLATE", "ZSTD"):
            options["PREDICTOR"] = "FLOATING_POINT" if dtype.startswith("float") else "STANDARD"
        if self.level is not None:
            options["LEVEL"] = str(self.level)
        if self.quality is not None:
            options["QUALITY"] = str(self.quality)
            options["OVERVIEW_QUALITY"] = str(self.quality)
        if self.compress.startswith("LERC"):
            options["MAX_Z_ERROR"] = "0"
        return options

    def strip_options(self, dtype: str) -> dict[str, str]:
        """Return the same as creation options of the GTiff driver, which has other names for them."""
        options = {"COMPRESS": self.compress}
        if self.compress in ("DEFLATE", "ZSTD"):
            options["PREDICTOR"] = "3" if dtype.startswith("float") else "2"
        if self.level is not None:
            options[{"DEFLATE": "ZLEVEL", "ZSTD": "ZSTD_LEVEL"}[self.compress]] = str(self.level)
        if self.quality is not None:
            options[{"JPEG": "JPEG_QUALITY", "WEBP": "WEBP_LEVEL"}[self.compress]] = str(self.quality)
        if self.compress.startswith("LERC"):
            options["MAX_Z_ERROR"] = "0"
        return options


COMPRESSIONS: Mapping[str, Compression] = {
    "deflate": Compression(name="deflate", compress="DEFLATE", lossless=True, ratio=0.6, level=6),
    "zstd": Compression(name="zstd", compress="ZSTD", lossless=True, ratio=0.55, level=9),
    "jpeg": Compression(name="jpeg", compress="JPEG", lossless=False, ratio=0.07, quality=85),
    "webp": Compression(name="webp", compress="WEBP", lossless=False, ratio=0.05, quality=80),
    "lerc": Compression(name="lerc", compress="LERC_ZSTD", lossless=True, ratio=0.55),
}


def compression(name: str, profile: Profile, kind: Kind, quality: int | None = None) -> Compression:
    """Return the compression of that name, for that raster and kind of data.

    Raises:
        InvalidParameter: the raster's type or bands do not fit it.
    """
    found = COMPRESSIONS.get(name)
    if found is None:
        raise InvalidParameter(f"'{name}' is not one of {', '.join(COMPRESSIONS)}.", parameter="profile")
    if kind == "classes" and not found.lossless:
        raise InvalidParameter(f"The {name} profile would mix classes; choose deflate or zstd.", parameter="profile")
    bands, dtype = len(profile.data_bands), profile.dtypes[0]
    if name == "jpeg" and (dtype != "uint8" or bands not in (1, 3)):
        raise InvalidParameter("The jpeg profile needs 1 or 3 bands of uint8.", parameter="profile")
    if name == "webp" and (dtype != "uint8" or bands != 3):
        raise InvalidParameter("The webp profile needs 3 bands of uint8.", parameter="profile")
    if name in ("jpeg", "webp") and profile.nodata is not None:
        raise InvalidParameter(
            f"The {name} profile changes values a little, and with them the nodata value; "
            "choose deflate, zstd or lerc.",
            parameter="profile",
        )
    if quality is None:
        return found
    if found.quality is None:
        raise InvalidParameter(f"The {name} profile is lossless and has no quality.", parameter="quality")
    return replace(found, quality=quality)
