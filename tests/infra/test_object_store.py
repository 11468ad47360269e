"""A folder is copied into an object store whole, or goes on where it broke off. The store is obstore's own of a folder."""

from pathlib import Path

import pytest

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, Unavailable
from crowdmask.infra.object_store import upload_folder


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


def test_what_is_not_ours_stays_as_it_is(folder: Path, store: Path) -> None:
    other = store / "Dataset501_Set" / "imagesTr" / "a_0000.nii.gz"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"of somebody else")
    with pytest.raises(Conflict, match="of 16 bytes instead of 5"):
        upload_folder(folder, f"file://{store}", last="manifest.json")
    assert files(store) == {"Dataset501_Set/imagesTr/a_0000.nii.gz": b"of somebody else"}


def test_an_address_that_no_store_has_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="nowhere://bucket is no address") as refused:
        upload_folder(folder, "nowhere://bucket", last="manifest.json")
    assert refused.value.code is ErrorCode.OPTION_INVALID


def test_a_store_that_does_not_answer_is_a_wait_with_a_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "r",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unavailable) as refused:
        upload_folder(folder, "s3://bucket/prefix", last="manifest.json")
    assert refused.value.code is ErrorCode.STORAGE_UNREACHABLE
