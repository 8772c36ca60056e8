"""A bucket, or the part of it below a prefix, as a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.config import settings
from tilery.errors import Conflict, InvalidParameter, NotFound, UpstreamError
from tilery.storage.objects.protocol import Blob, Entry

if TYPE_CHECKING:
    from obstore.store import S3Store as Bucket

_PART = 8 << 20
_LONGEST = timedelta(minutes=5)
"""Time for one request: a part of an upload over a slow line."""
_SHORT = timedelta(seconds=3)
"""The same for what a caller waits for."""


class S3Store:
    """Objects below ``s3://bucket/prefix/``. Credentials, region and endpoint come from the environment as AWS's tools
    read them, or from our ``TILERY_S3_…`` settings.
    """

    def __init__(self, bucket: Bucket, address: str) -> None:
        """Nothing is fetched yet."""
        self._bucket = bucket
        self._address = address

    @classmethod
    def at(cls, address: str, found: settings.Settings | None = None, *, patient: bool = True) -> S3Store:
        """The store of ``s3://bucket/prefix/``, for these settings or those of the process.

        Raises:
            InvalidParameter: no bucket is named.
        """
        from obstore.store import S3Store as Bucket

        from tilery.storage.bytes.s3_environment import credentials_of_profile, region
        from tilery.storage.bytes.s3_region import find_region

        name, _, prefix = address.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        if not name:
            raise InvalidParameter("The address names no bucket.", parameter="address")
        found = found or settings.get()
        where = region()
        if found.s3_endpoint is None:
            where = find_region(name, where, found) or where
        config: dict[str, Any] = {"skip_signature": found.s3_anonymous}
        if found.s3_endpoint:
            config["endpoint"] = found.s3_endpoint
        if where:
            config["region"] = where
        with _failures():
            bucket = Bucket(
                name,
                prefix=prefix or None,
                config=config,  # type: ignore[arg-type]  # a TypedDict that is made key by key
                client_options={
                    "allow_http": (found.s3_endpoint or "").startswith("http://"),
                    "connect_timeout": timedelta(seconds=found.connect_timeout),
                    "read_timeout": timedelta(seconds=found.read_timeout if patient else min(found.read_timeout, 2.0)),
                    "timeout": _LONGEST if patient else _SHORT,
                    "user_agent": "Tilery",
                },
                retry_config={
                    "max_retries": max(found.fetch_retries, 4) if patient else 0,
                    "retry_timeout": _LONGEST if patient else _SHORT,
                    "backoff": {
                        "init_backoff": timedelta(milliseconds=100),
                        "max_backoff": timedelta(seconds=2),
                        "base": 2,
                    },
                },
                credential_provider=None if found.s3_anonymous else credentials_of_profile(),  # type: ignore[arg-type]
            )
        return cls(bucket, f"s3://{name}/{prefix}/" if prefix else f"s3://{name}/")

    @property
    def address(self) -> str:
        """``s3://bucket/prefix/``."""
        return self._address

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """What is under the key, or None when its ETag still is ``unless``."""
        import obstore
        from obstore.exceptions import NotModifiedError

        with _failures():
            try:
                found = obstore.get(self._bucket, key, options={"if_none_match": unless} if unless else None)
                return Blob(body=bytes(found.bytes()), version=found.meta["e_tag"] or "")
            except NotModifiedError:
                return None

    def write(
        self,
        key: str,
        body: bytes,
        *,
        media_type: str,
        cache_control: str | None = None,
        expected: str = "any",
    ) -> str:
        """The new ETag. Conditions are the bucket's own (``If-None-Match: *``, ``If-Match``)."""
        import obstore

        attributes = {"Content-Type": media_type}
        if cache_control:
            attributes["Cache-Control"] = cache_control
        mode: Any = {"new": "create", "any": "overwrite"}.get(expected, {"e_tag": expected})
        with _failures():
            found = obstore.put(
                self._bucket, key, body, attributes=attributes, mode=mode, use_multipart=len(body) > _PART
            )
            return found["e_tag"] or ""

    def upload(self, key: str, path: Path, *, media_type: str, progress: Callable[[int], None]) -> None:
        """Nothing, after the file was sent in parts; S3 shows it only when the last part has arrived."""
        import obstore

        def parts() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_PART):
                    yield chunk
                    progress(len(chunk))

        with _failures():
            obstore.put(
                self._bucket,
                key,
                parts(),
                attributes={"Content-Type": media_type},
                chunk_size=_chunk_size(path.stat().st_size),
                max_concurrency=4,
            )

    def has(self, key: str) -> bool:
        """True when there is an object."""
        import obstore

        try:
            with _failures():
                obstore.head(self._bucket, key)
        except NotFound:
            return False
        return True

    def remove(self, key: str) -> None:
        """Nothing; S3 does not tell whether there was something."""
        import obstore

        with _failures():
            try:
                obstore.delete(self._bucket, key)
            except FileNotFoundError:
                return

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the common prefixes below a prefix."""
        import obstore

        with _failures():
            found = obstore.list_with_delimiter(self._bucket, prefix or None)
        for name in found["common_prefixes"]:
            yield name.rstrip("/").rpartition("/")[2]

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Every object below a prefix."""
        import obstore

        with _failures():
            for chunk in obstore.list(self._bucket, prefix or None):
                for found in chunk:
                    yield Entry(key=found["path"], size=found["size"], modified=found["last_modified"].timestamp())


def _chunk_size(size: int) -> int:
    """Bytes of a part: S3 takes 10,000 parts at most."""
    return max(_PART, (size // 9000 + (1 << 20)) & ~((1 << 20) - 1))


@contextmanager
def _failures() -> Iterator[None]:
    """Obstore's exceptions as ours: https://developmentseed.org/obstore/latest/api/exceptions/."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError:
        raise NotFound("Nothing is there.") from None
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise Conflict("Somebody else wrote this in between.") from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise UpstreamError("The store refused us.", private=_short(error)) from error
    except exceptions.BaseError as error:
        raise UpstreamError("The store failed.", private=_short(error)) from error


def _short(error: Exception) -> str:
    """What an operator needs of the text; obstore adds its own values below it."""
    text = str(error).partition("\n\nDebug source")[0]
    if "169.254.169.254" in text:
        return f"no AWS credentials were found; the last place asked: {text}"
    return text
