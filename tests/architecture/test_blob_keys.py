"""The collection of files that nothing needs (``crowdmask.collection``) sees every place that names a blob."""

import ast
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from crowdmask.collection import marked_columns
from crowdmask.models import Base
from tests.architecture.checkout import modules

# Hashes of what no row needs as a file in storage. A new column whose name ends in _sha256 is marked or stands here.
NO_BLOB = {
    "access_token.token_sha256",
    "browser_session.token_sha256",
    "export.manifest_sha256",  # the folder of the dataset
    "invite.token_sha256",
    "mask_agreement.one_sha256",  # a number that is kept about two masks, whether they are or not
    "mask_agreement.other_sha256",
    "operation_batch.body_sha256",
    "sign_in_link.token_sha256",
    "volume.voxels_sha256",
}
READS = {"path", "verify"}
PUTS = {"put_file", "put_bytes"}


def _columns() -> list[sa.Column[object]]:
    return [column for table in Base.metadata.sorted_tables for column in table.columns]


def test_each_column_of_a_hash_is_marked_as_a_key_or_known_to_be_none() -> None:
    hashes = {str(column) for column in _columns() if column.name.endswith("_sha256")}
    marked = {str(column) for column in marked_columns()}
    assert hashes - marked == NO_BLOB, "declare it as BlobKey, or say above what it is the hash of"


def test_each_column_that_storage_is_asked_for_or_fills_is_marked() -> None:
    marked = {str(column) for column in marked_columns()}
    unmarked = {column.name for column in _columns() if str(column) not in marked}
    given = {
        f"{path.name}: {name}"
        for path in modules()
        for name in _given_to_storage(path.read_text(encoding="utf-8"))
        if name in unmarked
    }
    assert not given, "a column that holds a key of storage is declared as BlobKey"


def _given_to_storage(source: str) -> Iterator[str]:
    """Names of variables and attributes that are read from storage, or that get the key of what was put."""
    tree = ast.parse(source)
    kept: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _of_storage(node, READS) and node.args:
            yield from _name(node.args[0])
        if isinstance(node, ast.Assign) and _of_storage(node.value, PUTS):
            for target in node.targets:
                kept.update(_name(target))
    yield from kept
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            if _of_storage(node.value, PUTS) or kept.intersection(_name(node.value)):
                yield node.arg
        elif isinstance(node, ast.Assign) and kept.intersection(_name(node.value)):
            for target in node.targets:
                yield from _name(target)


def _of_storage(node: ast.AST, methods: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        and any(name.endswith("storage") for name in _name(node.func.value))
    )


def _name(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("server.storage.path(volume.cover_sha256)", "cover_sha256"),
        ("cover_sha256 = context.storage.put_file(path)", "cover_sha256"),
        ("key = storage.put_bytes(b'')\nrow = Row(cover_sha256=key)", "cover_sha256"),
        ("key = self._storage.put_bytes(b'')\nrow.cover_sha256 = key", "cover_sha256"),
        ("row = Row(cover_sha256=storage.put_bytes(b''))", "cover_sha256"),
    ],
)
def test_the_search_itself_finds_what_is_given_to_storage(source: str, name: str) -> None:
    assert name in set(_given_to_storage(source))
