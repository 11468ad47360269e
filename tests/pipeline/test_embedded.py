"""The embedded platform: one process per data folder, nothing left behind, and a worker that can't start is said."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from crowdmask.core.errors import Conflict, ErrorCode, Unavailable
from crowdmask.embedded import copy_dataset, prepared, progress_bar, running
from crowdmask.infra.settings import Settings
from tests import factories


def test_fault_44_a_second_process_on_a_data_folder_is_refused(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "data")
    with running(settings), pytest.raises(Unavailable) as refused, running(settings):
        pass
    assert refused.value.code is ErrorCode.DATA_FOLDER_IN_USE


def test_a_prepared_folder_is_private_and_preparing_it_again_keeps_everything(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "data")
    with prepared(settings) as platform, platform.database.write() as session:
        factories.add_account(session)
    secret = settings.secret_path.read_bytes()
    with prepared(settings) as platform, platform.database.read() as session:
        from crowdmask.models import Account

        assert session.query(Account).count() == 1
    assert settings.secret_path.read_bytes() == secret
    assert settings.secret_path.stat().st_mode & 0o777 == 0o600


def test_a_dataset_is_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "Dataset501_Liver"
    (folder / "labelsTr").mkdir(parents=True)
    (folder / "labelsTr" / "case.nii.gz").write_bytes(b"mask")
    target = tmp_path / "target"
    target.mkdir()
    copied = copy_dataset(folder, target)
    assert (copied / "labelsTr" / "case.nii.gz").read_bytes() == b"mask"
    with pytest.raises(Conflict) as taken:
        copy_dataset(folder, target)
    assert taken.value.code is ErrorCode.NAME_TAKEN
    (folder / "labelsTr" / "lost.nii.gz").symlink_to(tmp_path / "nowhere")
    elsewhere = tmp_path / "new" / "elsewhere"
    with pytest.raises(OSError, match=r"lost\.nii\.gz"):
        copy_dataset(folder, elsewhere)
    assert list(elsewhere.iterdir()) == []


def test_names_with_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    written = io.StringIO()
    with progress_bar(Console(file=written, width=120)) as progress:
        progress.add_task("Ingesting ct[/old][left]", total=1.0, completed=1.0)
    assert "ct[/old][left]" in written.getvalue()
