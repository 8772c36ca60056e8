"""``tilery sign``: addresses that let their holder ask for one layer or one source for a while."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import click

from app.config import settings
from app.config.access import VARIABLE, SigningKey, rules_of

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FAMILIES = ("cog", "stac", "mosaicjson")


class _Span(click.ParamType[int]):
    """A time from now on, in seconds."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        match = _SPAN.fullmatch(value)
        if match is None or not int(match[1]):
            self.fail("give a number with s, m, h or d behind it, as 12h", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


class _Moment(click.ParamType[int]):
    """A moment, in seconds since 1970."""

    name = "moment"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail("give a date or a moment, as 2027-01-31 or 2027-01-31T12:00:00Z", param, ctx)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


@click.command()
@click.argument("subject", metavar="LAYER|ADDRESS")
@click.option("--for", "span", type=_Span(), default="1d", show_default=True, help="How long: 30m, 12h, 7d.")
@click.option("--until", type=_Moment(), metavar="DATE", help="Until when, in UTC, in place of --for.")
@click.option("--key", "key_id", help="Id of the key; else the first one of TILERY_ACCESS.")
@click.option("--base", help="What addresses begin with; else TILERY_PUBLIC_URL.")
@click.option("--family", type=click.Choice(FAMILIES), default="cog", show_default=True, help="Routes of an address.")
@click.option("--parameter", "bare", is_flag=True, help="Print the parameter of the query alone.")
@click.option("--json", "as_json", is_flag=True, help="Print it all as JSON.")
def sign(
    subject: str,
    span: int,
    until: int | None,
    key_id: str | None,
    base: str | None,
    family: str,
    bare: bool,
    as_json: bool,
) -> None:
    """Sign addresses of a layer, or of a raster, item or mosaic at an ADDRESS as ``url=`` has it.

    Whoever has one may ask for tiles, documents and pages of exactly that until it expires. What cannot be taken back
    before is the signature itself: take its key out of TILERY_ACCESS to end all that it signed.
    """
    from app.api.access import credentials, signatures
    from tilery.catalog import ids

    chosen = settings.get()
    key = _key(rules_of(chosen).keys, key_id)
    now = time.time()
    expires = until if until is not None else int(now) + span
    if expires <= now:
        raise click.BadParameter("that moment has passed", param_hint="--until")
    is_layer = ids.is_id(subject) or ("/" not in subject and ":" not in subject)
    if is_layer:
        ids.check(subject)
    says = signatures.of_layer(subject) if is_layer else signatures.of_source(subject)
    value = signatures.sign(key, says, expires)
    if bare:
        click.echo(urlencode({credentials.SIGNATURE: value}))
        return
    root = (base or chosen.public_url or "").rstrip("/")
    query = urlencode(([] if is_layer else [("url", subject)]) + [(credentials.SIGNATURE, value)])
    paths = _of_layer(subject) if is_layer else _of_source(family)
    addresses = {name: f"{root}{path}?{query}" for name, path in paths.items()}
    moment = datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z")
    if as_json:
        click.echo(json.dumps({"signature": value, "key": key.id, "expires": moment, **addresses}, indent=1))
        return
    for name, address in addresses.items():
        click.echo(f"{name:<9} {address}")
    click.echo(f"Good until {moment}.", err=True)


def _key(keys: tuple[SigningKey, ...], key_id: str | None) -> SigningKey:
    if not keys:
        raise click.UsageError(f"There is no key to sign with: {VARIABLE} lists none.")
    found = next((key for key in keys if key_id in (None, key.id)), None)
    if found is None:
        raise click.BadParameter(f"there is no key of that id; there are {', '.join(key.id for key in keys)}")
    return found


def _of_layer(layer: str) -> dict[str, str]:
    return {
        "tilejson": f"/{layer}",
        "map": f"/{layer}/map",
        "wmts": f"/{layer}/wmts",
        "tiles": f"/layers/{layer}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.png",
    }


def _of_source(family: str) -> dict[str, str]:
    return {
        "tilejson": f"/{family}/WebMercatorQuad/tilejson.json",
        "map": f"/{family}/WebMercatorQuad/map.html",
        "wmts": f"/{family}/WMTSCapabilities.xml",
        "tiles": f"/{family}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.png",
    }
