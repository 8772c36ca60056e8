"""The list of layers as a GeoPackage: SQLite with a table of polygons (OGC 12-128r18), in memory and as bytes.

One row a layer, with all that a list of layers shows. Python has SQLite; QGIS, GDAL, DuckDB and whatever else reads
SQLite open the file as it is. A page of the list and a search are queries, so a process holds some hundred bytes a
layer and no objects.
"""

from __future__ import annotations

import json
import re
import sqlite3
import struct
import weakref
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tilery.catalog.layer import LayerSummary, Style
from tilery.errors import BrokenDocument
from tilery.geo.raster import Bounds
from tilery.storage.objects import Entry

SCHEMA = 2
"""Version of the table. Another one is not read, but made anew."""

_APPLICATION, _VERSION = 0x47504B47, 10300
_EXTENT = (-180.0, -90.0, 180.0, 90.0)
_READ = "(id || ' ' || ifnull(name, '') || ' ' || ifnull(description, ''))"
"""What people read of a layer. Of ASCII alone SQLite knows the lower case, and Python is not called for each row."""
_ROW = "id, name, description, attribution, kind, minzoom, maxzoom, west, south, east, north"
_REST = "revision, version, published, position, styles"
_ORDER = "position IS NULL, position, id"
"""Layers with a place in the order come before those without; the id decides between equals."""
_TABLES = f"""
CREATE TABLE gpkg_spatial_ref_sys (
    srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
    table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '',
    last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, min_y DOUBLE,
    max_x DOUBLE, max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL,
    z TINYINT NOT NULL, m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name), UNIQUE (table_name),
    FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE layers (
    fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom MULTIPOLYGON, id TEXT NOT NULL UNIQUE, name TEXT,
    description TEXT, attribution TEXT, kind TEXT, minzoom INTEGER, maxzoom INTEGER, west DOUBLE, south DOUBLE,
    east DOUBLE, north DOUBLE, revision TEXT, version TEXT NOT NULL, published TEXT, position DOUBLE, styles TEXT);
CREATE INDEX layers_in_order ON layers ({_ORDER});
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""
_DEGREES = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
_SETS = (
    ("Undefined Cartesian", -1, "NONE", -1, "undefined"),
    ("Undefined geographic", 0, "NONE", 0, "undefined"),
    ("WGS 84", 4326, "EPSG", 4326, _DEGREES),
)
_HALF = re.compile("[\ud800-\udfff]")
_PENDING = "CREATE TEMP TABLE pending (id TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID"


class BrokenIndex(BrokenDocument):
    """What is no index of layers, or one of another version."""


class LayerTable:
    """The table, in memory. Used by one thread at a time."""

    def __init__(self, body: bytes | None = None) -> None:
        """Make an empty one, or take one over.

        Raises:
            BrokenIndex: it is none, or another version's.
        """
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._db.close)  # Python 3.13 complains of one that nobody closes
        self._db.create_function("folded", 1, _folded, deterministic=True)
        try:
            if body is None:
                self._create()
            else:
                self._take(body)
            self._db.execute("PRAGMA temp_store = MEMORY")
            self._db.execute(_PENDING)
        except (sqlite3.Error, OverflowError, MemoryError) as error:
            self._db.close()
            raise BrokenIndex("The index of the layers is no GeoPackage of ours.", private=str(error)) from error

    def _create(self) -> None:
        self._db.executescript(f"BEGIN; {_TABLES} COMMIT;")
        self._db.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)", _SETS)
        self._db.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, min_x, min_y, max_x, max_y, "
            "srs_id) VALUES ('layers', 'features', 'layers', ?, ?, ?, ?, ?, 4326)",
            (f"Layers of a tile server, table version {SCHEMA}", *_EXTENT),
        )
        self._db.execute("INSERT INTO gpkg_geometry_columns VALUES ('layers', 'geom', 'MULTIPOLYGON', 4326, 0, 0)")

    def _take(self, body: bytes) -> None:
        if body[18:20] == b"\x02\x02":  # a program that opened it wanted a log beside it, which memory has not
            body = b"%b\x01\x01%b" % (body[:18], body[20:])
        self._db.deserialize(body)
        self._db.execute("PRAGMA trusted_schema = OFF")
        (sound,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        told = self._db.execute("SELECT description FROM gpkg_contents WHERE table_name = 'layers'").fetchone()
        self._db.execute(f"SELECT {_ROW}, {_REST} FROM layers LIMIT 1").fetchone()  # noqa: S608 - our own words
        if sound != "ok" or told is None or not str(told[0]).endswith(f" version {SCHEMA}"):
            raise sqlite3.DatabaseError(f"{sound}; {told}")

    def encoded(self) -> bytes:
        """Return the table as a file, without what is still to be read."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._db.execute("UPDATE gpkg_contents SET last_change = ?", (now,))
        self._db.execute("DELETE FROM layers WHERE name IS NULL")
        return self._db.serialize()

    def close(self) -> None:
        """Free its memory."""
        self._db.close()

    # What is in it

    def count(self, folder: str = "", words: Iterable[str] = ()) -> int:
        """Return number of the layers, of those in a folder, of those that have all the words in what people read of
        them.
        """
        where, values = _where(folder, words)
        found: int = self._db.execute(f"SELECT count(*) FROM layers {where}", values).fetchone()[0]  # noqa: S608
        return found

    def page(
        self, offset: int, limit: int, folder: str = "", words: Iterable[str] = ()
    ) -> list[tuple[str, str, LayerSummary | None]]:
        """Return id, version and what is known, in the layers' order; nothing is known of a layer that was
        never read.
        """
        where, values = _where(folder, words)
        rows = self._db.execute(
            f"SELECT {_ROW}, {_REST} FROM layers {where} ORDER BY {_ORDER} LIMIT ? OFFSET ?",  # noqa: S608
            (*values, limit, offset),
        )
        return [(row[0], row[12], _summary(row)) for row in rows]

    def version(self, layer_id: str) -> str | None:
        """Return the version of the document that a layer's row was made of; None where there is no row."""
        found = self._db.execute("SELECT version FROM layers WHERE id = ?", (layer_id,)).fetchone()
        return None if found is None else str(found[0])

    # Changes

    def put(self, layer: LayerSummary) -> None:
        """Add a layer, or replace its row."""
        styles = json.dumps([[style.name, style.title] for style in layer.styles])
        row = (
            *(layer.id, layer.name, layer.description, layer.attribution, layer.kind, layer.minzoom, layer.maxzoom),
            *(*layer.bounds, layer.revision, layer.version, layer.published, layer.order),
        )
        self._db.execute(
            f"INSERT INTO layers (geom, styles, {_ROW}, revision, version, published, position) VALUES "  # noqa: S608
            f"({', '.join('?' * 17)}) ON CONFLICT (id) DO UPDATE SET geom = excluded.geom, styles = excluded.styles, "
            + ", ".join(
                f"{name} = excluded.{name}" for name in f"{_ROW}, revision, version, published, position".split(", ")
            ),
            (_geometry(layer.bounds), styles if layer.styles else None, *map(_sayable, row)),
        )
        self.settle(layer.id)

    def drop(self, layer_id: str) -> None:
        """Remove a layer's row, if there is one."""
        self._db.execute("DELETE FROM layers WHERE id = ?", (layer_id,))
        self.settle(layer_id)

    def note_broken(self, layer_id: str, version: str) -> None:
        """Note that a version of a document says nothing; what was known before stays."""
        self._db.execute("UPDATE layers SET version = ? WHERE id = ?", (version, layer_id))
        self.settle(layer_id)

    # What is still to be read

    def begin_comparison(self) -> None:
        """Begin to compare the rows with the documents that there are: `see` all of them, then `compare`."""
        self._db.execute("DROP TABLE IF EXISTS seen")
        self._db.execute("CREATE TEMP TABLE seen (id TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID")

    def see(self, documents: Iterable[Entry]) -> None:
        """Take in some of the documents that there are."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)",
            ((entry.key.rpartition("/")[0], entry.version) for entry in documents),
        )
        self._db.execute("COMMIT")

    def compare(self) -> set[str]:
        """Return the ids of which rows and documents differ. Rows without a document are gone; documents of which
        there is no row, or one of another version, are to be read.
        """
        db = self._db
        db.execute("BEGIN")
        gone = db.execute("DELETE FROM layers WHERE id NOT IN (SELECT id FROM seen) RETURNING id").fetchall()
        db.execute("DELETE FROM pending")
        db.execute(
            "INSERT INTO pending SELECT seen.id, seen.version FROM seen LEFT JOIN layers USING (id) "
            "WHERE layers.version IS NULL OR layers.version <> seen.version OR seen.version = ''"
        )
        db.execute("INSERT OR IGNORE INTO layers (id, version) SELECT id, '' FROM pending")
        db.execute("DROP TABLE seen")
        db.execute("COMMIT")
        return {row[0] for row in gone} | set(self.pending())

    def pending(self, among: Iterable[str] | None = None) -> list[str]:
        """Return ids of the layers whose documents are to be read, of all or of these."""
        if among is None:
            return [row[0] for row in self._db.execute("SELECT id FROM pending ORDER BY id")]
        one = "SELECT 1 FROM pending WHERE id = ?"
        if self._db.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is None:
            return []
        return [layer_id for layer_id in among if self._db.execute(one, (layer_id,)).fetchone()]

    def settle(self, layer_id: str) -> None:
        """Note that a document has been read."""
        self._db.execute("DELETE FROM pending WHERE id = ?", (layer_id,))


def _where(folder: str, words: Iterable[str]) -> tuple[str, list[str]]:
    parts: list[str] = []
    values: list[str] = []
    if folder:
        parts.append("id >= ? AND id < ?")
        values += [f"{folder}/", f"{folder}0"]  # "0" is behind "/"
    for word in words:
        parts.append(
            f"CASE WHEN {_READ} GLOB '*[^ -~]*' THEN instr(folded({_READ}), ?) ELSE instr(lower({_READ}), ?) END"
        )
        values += [_folded(word)] * 2
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), values


def _folded(text: object) -> str:
    """Return a text as a search compares it."""
    return str(text).casefold()


def _sayable(value: object) -> object:
    """Return the same where SQLite can hold it: half a character, out of a JSON document, it cannot."""
    return _HALF.sub("\ufffd", value) if isinstance(value, str) else value


def _summary(row: tuple[object, ...]) -> LayerSummary | None:
    """Return what a row says; None for one of a document that nobody has read."""
    (layer_id, name, description, attribution, kind, minzoom, maxzoom, *bounds) = row[:11]
    revision, version, published, position, styles = row[11:]
    if name is None:
        return None
    west, south, east, north = (float(str(edge)) for edge in bounds)
    return LayerSummary(
        id=str(layer_id),
        name=str(name),
        description=_text(description),
        attribution=_text(attribution),
        kind=str(kind),
        minzoom=int(str(minzoom)),
        maxzoom=int(str(maxzoom)),
        bounds=(west, south, east, north),
        revision=str(revision),
        version=str(version),
        published=_text(published),
        order=None if position is None else float(str(position)),
        styles=tuple(Style(name=name, title=title) for name, title in json.loads(str(styles))) if styles else (),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _geometry(bounds: Bounds) -> bytes:
    """Return a box as a GeoPackage holds it: a header and a MultiPolygon, of two parts across the antimeridian."""
    west, south, east, north = bounds
    boxes = [bounds] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]
    parts = b"".join(struct.pack("<BIII10d", 1, 3, 1, 5, *_ring(box)) for box in boxes)
    return struct.pack("<2sBBi", b"GP", 0, 1, 4326) + struct.pack("<BII", 1, 6, len(boxes)) + parts


def _ring(box: Bounds) -> Iterator[float]:
    west, south, east, north = box
    for corner in ((west, south), (east, south), (east, north), (west, north), (west, south)):
        yield from corner
