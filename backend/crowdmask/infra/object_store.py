"""Copying a written folder into an object store: S3 and what obstore knows besides.

Addresses are ``s3://bucket/prefix`` and the like; who may write there is taken from the environment, as obstore and the
tools of the stores do (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT``, ...). A ``file:///folder`` is a store too.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

#: Enough for a hiccup; who waits at a terminal would rather be told.
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_CHUNK_BYTES = 8 * 1024**2


def upload_folder(folder: Path, address: str, *, last: str) -> str:
    """Copy a folder, under its own name, into the store at ``address``; returns where it lies.

    Files are copied in the order of their names, ``last`` at the end: where it is, the copy is whole. A file that is there
    already with the same bytes was copied by an attempt that broke off, and stays.

    Args:
        last: path of a file in the folder.

    Raises:
        InvalidInput: ``option_invalid`` when the address is none, or the extra s3 is not installed.
        Conflict: ``name_taken`` when a copy stands there, or a file with other bytes.
        Unavailable: ``storage_unreachable`` when the store does not answer or does not allow it.
    """
    try:
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{address} lies in an object store, and the package for those is not installed.",
            hint="Install it: pip install 'crowdmask[s3]'.",
        ) from None
    try:
        remote = not address.startswith(("file:", "memory:"))
        store = from_url(address, **({"retry_config": _RETRIES} if remote else {}))
    except BaseError as error:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{address} is no address of an object store: {_first_line(error)}.",
            hint="It looks like s3://bucket/prefix.",
        ) from None
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / last)
    target = f"{address.rstrip('/')}/{folder.name}"
    try:
        if _size(store, f"{folder.name}/{last}") is not None:
            raise Conflict(ErrorCode.NAME_TAKEN, f"{target} exists already.", hint="Name another place.")
        for path in [*files, folder / last]:
            key = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            present = _size(store, key)
            if present is None:
                obstore.put(store, key, path)
            elif present != path.stat().st_size or not _holds(store, key, path):
                raise Conflict(
                    ErrorCode.NAME_TAKEN,
                    f"{target} holds another {path.name}, of {present} bytes; ours has {path.stat().st_size}.",
                    hint="Name another place, or remove what is there.",
                )
    except FileNotFoundError:  # what a store says of a bucket that it does not have
        raise Unavailable(
            ErrorCode.STORAGE_UNREACHABLE,
            f"The dataset cannot be written to {target}: the store has no such bucket.",
            hint="Make the bucket, or name another.",
        ) from None
    except (BaseError, OSError) as error:
        raise Unavailable(
            ErrorCode.STORAGE_UNREACHABLE,
            f"The dataset cannot be written to {target}: {_first_line(error)}.",
            hint="Check the address and the rights, and AWS_ALLOW_HTTP=true for an endpoint without TLS; "
            "the copy goes on where it broke off.",
        ) from None
    return target


def _size(store: "ObjectStore", key: str) -> int | None:
    """Bytes of an object; None when there is none."""
    import obstore

    try:
        return obstore.head(store, key)["size"]
    except FileNotFoundError:
        return None


def _holds(store: "ObjectStore", key: str, path: Path) -> bool:
    """Whether an object as large as our file has its bytes: an earlier version of a dataset may be as large."""
    import obstore

    with path.open("rb") as ours:
        return all(
            bytes(chunk) == ours.read(len(chunk)) for chunk in obstore.get(store, key).stream(_CHUNK_BYTES)
        )


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".: ")
