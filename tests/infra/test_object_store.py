"""A folder is copied into an object store whole, or goes on where it broke off: into obstore's own of a folder, and into a
real S3 over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, Unavailable
from crowdmask.infra.object_store import upload_folder
from tests.s3 import BUCKET, S3Server, s3_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "Dataset501_Set"
    (made / "imagesTr").mkdir(parents=True)
    (made / "imagesTr" / "a_0000.nii.gz").write_bytes(b"image")
    (made / "manifest.json").write_text("{}")
    return made


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir()
    return made


def files(store: Path) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()
    }


def test_a_folder_arrives_byte_for_byte_under_its_own_name(folder: Path, store: Path) -> None:
    target = upload_folder(folder, f"file://{store}", last="manifest.json")
    assert target == f"file://{store}/Dataset501_Set"
    assert files(store) == {
        "Dataset501_Set/imagesTr/a_0000.nii.gz": b"image",
        "Dataset501_Set/manifest.json": b"{}",
    }


def test_a_copy_that_broke_off_goes_on_and_a_whole_one_is_not_written_over(folder: Path, store: Path) -> None:
    begun = store / "Dataset501_Set" / "imagesTr" / "a_0000.nii.gz"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"image")
    before = begun.stat().st_ino
    upload_folder(folder, f"file://{store}", last="manifest.json")
    assert begun.stat().st_ino == before
    with pytest.raises(Conflict, match="exists already"):
        upload_folder(folder, f"file://{store}", last="manifest.json")


@pytest.mark.parametrize("found", [b"of somebody else", b"Image"], ids=["larger", "as large"])
def test_what_is_not_ours_stays_as_it_is(folder: Path, store: Path, found: bytes) -> None:
    other = store / "Dataset501_Set" / "imagesTr" / "a_0000.nii.gz"
    other.parent.mkdir(parents=True)
    other.write_bytes(found)
    with pytest.raises(Conflict, match=rf"another a_0000\.nii\.gz, of {len(found)} bytes; ours has 5"):
        upload_folder(folder, f"file://{store}", last="manifest.json")
    assert files(store) == {"Dataset501_Set/imagesTr/a_0000.nii.gz": found}


def test_an_address_that_no_store_has_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="nowhere://bucket is no address") as refused:
        upload_folder(folder, "nowhere://bucket", last="manifest.json")
    assert refused.value.code is ErrorCode.OPTION_INVALID


# ---- S3 ----


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def rights(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This process may write into the bucket; returned to take that away again."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("rights")
def test_a_copy_into_s3_that_broke_off_goes_on_and_no_file_is_sent_twice(folder: Path, s3: S3Server) -> None:
    large = folder / "imagesTr" / "b_0000.nii.gz"
    large.write_bytes(np.random.default_rng(0).bytes(12_000_000))  # goes in several parts
    manifest = "sets/Dataset501_Set/manifest.json"
    upload_folder(folder, f"s3://{BUCKET}/sets", last="manifest.json")
    begun = s3.writes()
    assert begun[-1] == manifest
    s3.remove(manifest)
    target = upload_folder(folder, f"s3://{BUCKET}/sets", last="manifest.json")
    assert target == f"s3://{BUCKET}/sets/Dataset501_Set"
    assert sorted(s3.writes()) == sorted([*begun, manifest])
    assert s3.objects() == {f"sets/{name}": content for name, content in files(folder.parent).items()}
    with pytest.raises(Conflict, match="exists already"):
        upload_folder(folder, f"s3://{BUCKET}/sets", last="manifest.json")


@pytest.mark.parametrize(
    ("change", "bucket", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "somebody-else"}, BUCKET, "403"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, BUCKET, "403"),
        ({}, "no-such-bucket", "the store has no such bucket"),
        ({"AWS_ENDPOINT": "http://127.0.0.1:9"}, BUCKET, "127.0.0.1:9"),
    ],
    ids=["unknown key", "wrong secret", "no bucket", "nobody answers"],
)
def test_a_store_that_cannot_be_written_is_said_with_the_reason(
    folder: Path, s3: S3Server, rights: pytest.MonkeyPatch, change: dict[str, str], bucket: str, said: str
) -> None:
    before = s3.writes()
    for name, value in change.items():
        rights.setenv(name, value)
    with pytest.raises(Unavailable, match=said) as refused:
        upload_folder(folder, f"s3://{bucket}/refused", last="manifest.json")
    assert refused.value.code is ErrorCode.STORAGE_UNREACHABLE
    assert f"s3://{bucket}/refused/Dataset501_Set" in refused.value.message
    assert s3.writes() == before
