"""A bucket, or the part of it below a prefix, as a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tilery.errors import Conflict, InvalidParameter, NotFound, UpstreamError
from tilery.storage.objects.protocol import Blob, Entry
from tilery.storage.s3 import failures

if TYPE_CHECKING:
    from tilery.storage.options import StoreOptions
    from tilery.storage.s3.client import BucketClient

T = TypeVar("T")

_PART = 8 << 20
_LONGEST = 300.0
"""Seconds for one request: a part of an upload over a slow line."""
_SHORT = 3.0
"""The same for what a caller waits for."""


class S3Store:
    """Objects below ``s3://bucket/prefix/``. Credentials, region and endpoint come from the environment as AWS's tools
    read them, or from our ``TILERY_S3_…`` settings.
    """

    def __init__(self, client: BucketClient, address: str) -> None:
        """Keep objects by a client. Nothing is fetched yet."""
        self._client = client
        self._address = address

    @classmethod
    def at(cls, address: str, options: StoreOptions, *, patient: bool = True) -> S3Store:
        """Return the store of ``s3://bucket/prefix/``.

        Raises:
            InvalidParameter: no bucket is named.
        """
        from tilery.storage.locations import S3Location
        from tilery.storage.s3.client import BucketClient, RetryPolicy

        name, _, prefix = address.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        if not name:
            raise InvalidParameter("The address names no bucket.", parameter="address")
        patience = RetryPolicy(
            read_timeout=options.read_timeout if patient else min(options.read_timeout, 2.0),
            request_timeout=_LONGEST if patient else _SHORT,
            retries=max(options.fetch_retries, 4) if patient else 0,
            first_pause=0.1,
            longest_pause=2.0,
        )
        with _failures():
            own = options.of(S3Location(bucket=name, key=f"{prefix}/"))
            client = BucketClient(name, options, patience, prefix=prefix or None, own=own)
        return cls(client, f"s3://{name}/{prefix}/" if prefix else f"s3://{name}/")

    @property
    def address(self) -> str:
        """``s3://bucket/prefix/``."""
        return self._address

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """Return what is under the key, or None when its ETag still is ``unless``."""
        import obstore
        from obstore.exceptions import NotModifiedError

        with _failures():
            try:
                options: Any = {"if_none_match": unless} if unless else None
                found = self._client.call(lambda bucket: obstore.get(bucket, key, options=options))
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
        """Write an object; return its ETag. Conditions are the bucket's own (``If-None-Match: *``, ``If-Match``)."""
        import obstore

        attributes = {"Content-Type": media_type}
        if cache_control:
            attributes["Cache-Control"] = cache_control
        mode: Any = {"new": "create", "any": "overwrite"}.get(expected, {"e_tag": expected})
        with _failures():
            found = self._client.call(
                lambda bucket: obstore.put(
                    bucket,
                    key,
                    body,
                    attributes=attributes,
                    mode=mode,
                    use_multipart=len(body) > _PART and expected == "any",  # parts know no conditions
                )
            )
            return found["e_tag"] or ""

    def upload(self, key: str, path: Path, *, media_type: str, progress: Callable[[int], None]) -> None:
        """Send the file in parts; S3 shows it only when the last part has arrived."""
        import obstore

        def parts() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_PART):
                    yield chunk
                    progress(len(chunk))

        with _failures():
            self._client.call(
                lambda bucket: obstore.put(
                    bucket,
                    key,
                    parts(),
                    attributes={"Content-Type": media_type},
                    chunk_size=_chunk_size(path.stat().st_size),
                    max_concurrency=4,
                )
            )

    def has(self, key: str) -> bool:
        """Return True when there is an object."""
        import obstore

        try:
            with _failures():
                self._client.call(lambda bucket: obstore.head(bucket, key))
        except NotFound:
            return False
        return True

    def reach(self) -> None:
        """Check that the bucket answers: an object that is not there is as good an answer as one that is."""
        import obstore
        from obstore.exceptions import PermissionDeniedError

        from tilery.storage.s3.client import is_unknown_to_aws

        with _failures():
            try:
                self._client.call(lambda bucket: obstore.get(bucket, ".reachable"))
            except FileNotFoundError:
                return
            except PermissionDeniedError as error:
                if is_unknown_to_aws(str(error)):
                    raise

    def remove(self, key: str) -> None:
        """Remove what is under the key; S3 does not tell whether there was anything."""
        import obstore

        with _failures():
            try:
                self._client.call(lambda bucket: obstore.delete(bucket, key))
            except FileNotFoundError:
                return

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Yield names of the common prefixes below a prefix."""
        import obstore

        with _failures():
            found = self._client.call(lambda bucket: obstore.list_with_delimiter(bucket, prefix or None))
        for name in found["common_prefixes"]:
            yield name.rstrip("/").rpartition("/")[2]

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield every object below a prefix."""
        import obstore

        with _failures():
            # the first request is made here, so that it may be sent again to another region
            chunks = self._client.call(lambda bucket: _begun(obstore.list(bucket, prefix or None)))
            for chunk in chunks:
                for found in chunk:
                    yield Entry(
                        key=found["path"],
                        size=found["size"],
                        modified=found["last_modified"].timestamp(),
                        version=found["e_tag"] or "",
                    )

    def named(self, name: str, within: Callable[[str], bool]) -> Iterator[Entry]:
        """Yield every object whose key ends in ``/name``: of a thousand keys that one request tells."""
        for entry in self.entries():
            folder, _, last = entry.key.rpartition("/")
            if last == name and folder and within(folder):
                yield entry


def _begun(chunks: Iterable[T]) -> Iterator[T]:
    """Return the same, after its first part was fetched."""
    rest = iter(chunks)
    first = list(islice(rest, 1))
    return chain(first, rest)


def _chunk_size(size: int) -> int:
    """Return bytes of a part: S3 takes 10,000 parts at most."""
    return max(_PART, (size // 9000 + (1 << 20)) & ~((1 << 20) - 1))


@contextmanager
def _failures() -> Iterator[None]:
    """Obstore's exceptions as ours: https://developmentseed.org/obstore/latest/api/exceptions/."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError:
        raise NotFound from None
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise Conflict("Somebody else wrote this in between.") from None
    except exceptions.BaseError as error:
        refused = isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError)
        said = failures.meaning(str(error)) or ("The store refused us." if refused else "The store failed.")
        raise UpstreamError(said, private=failures.for_operator(str(error))) from error
