"""The embedded platform: one process per data folder, nothing left behind, and a worker that can't start is said."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, Unavailable
from crowdmask.core.nnunet import check_dataset
from crowdmask.demo import LABEL_NAMES, phantom_files
from crowdmask.embedded import prepared, running
from crowdmask.infra.settings import Settings
from crowdmask.local_projects import copy_dataset, import_into_project, progress_bar
from crowdmask.models import Project, Volume
from crowdmask.serve import listen
from tests import factories
from tests.s3 import BUCKET, S3Server, s3_server


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


def test_an_import_that_is_refused_leaves_neither_project_nor_volume(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "data")
    with prepared(settings) as platform:
        with pytest.raises(InvalidInput) as refused:
            import_into_project(
                platform,
                project_name="Abdomen",
                label_names=["liver"],
                files=phantom_files(settings.work_dir),  # its reference holds five labels
                console=Console(file=io.StringIO()),
            )
        assert refused.value.code is ErrorCode.LABEL_VALUES_INVALID
        with platform.database.read() as session:
            assert session.query(Project).count() == session.query(Volume).count() == 0


def test_the_server_does_not_listen_for_other_computers_without_https(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "data", host="0.0.0.0", port=0)
    with pytest.raises(InvalidInput) as refused:
        listen(settings)
    assert refused.value.code is ErrorCode.PUBLIC_URL_NEEDED
    assert "docs/deploy.md" in refused.value.hint


def test_a_port_in_use_is_passed_over_or_refused_when_it_was_asked_for(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "data", port=0)
    first, taken = listen(settings)
    with taken:
        second, free = listen(first)
        with free:
            assert first.port < second.port < first.port + 10
        with pytest.raises(InvalidInput) as refused:
            listen(first, exactly=True)
    assert refused.value.code is ErrorCode.OPTION_INVALID
    assert str(first.port) in refused.value.message


def test_a_dataset_of_references_by_the_command_line_into_s3(tmp_path: Path) -> None:
    """``crowdmask import`` and ``crowdmask export`` with a choice from a file; no annotator is needed."""
    with s3_server() as s3:
        _references_into(s3, tmp_path)


def _references_into(s3: S3Server, tmp_path: Path) -> None:
    files = phantom_files(tmp_path)
    assert files.reference is not None
    data, choice = tmp_path / "data", tmp_path / "choice.json"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "crowdmask.cli", *arguments, "--data", str(data), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | s3.environment,
        )

    imported = run(
        "import", str(files.volume), "--project", "Abdomen", "--labels", ",".join(LABEL_NAMES),
        "--reference", str(files.reference), "--reference-origin", "generated",
    )  # fmt: skip
    assert imported.returncode == 0, imported.stderr
    choice.write_text('{"source": "references"}')
    refused = run("export", "--project", "Abdomen", "--choice", str(choice))
    assert refused.returncode != 0
    assert "choice.json is no choice" in refused.stderr
    choice.write_text('{"colour": "red"}')
    assert (
        "'colour', which no choice has"
        in run("export", "--project", "Abdomen", "--choice", str(choice)).stderr
    )
    choice.write_text('{"source": "reference", "labels": ["liver", "spleen"]}')
    place = f"s3://{BUCKET}/sets"
    made = run("export", "--project", "Abdomen", "--choice", str(choice), "-o", place)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["export"] == f"{place}/Dataset501_Abdomen"
    (folder,) = data.glob("exports/*/Dataset501_Abdomen")
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert s3.objects() == {
        f"sets/Dataset501_Abdomen/{name}": path.read_bytes() for name, path in written.items()
    }
    report = check_dataset(folder)
    assert [label.name for label in report.dataset.description.labels.labels] == ["liver", "spleen"]
    assert report.cases_with_label == {1: 1, 2: 1}
    # As if the copy had broken off: what is there stays, although the dataset is its next version.
    s3.remove("sets/Dataset501_Abdomen/crowdmask_manifest.json")
    again = run("export", "--project", "Abdomen", "--choice", str(choice), "-o", place)
    assert again.returncode == 0, again.stderr
    assert len(s3.writes()) == len(written) + 1
