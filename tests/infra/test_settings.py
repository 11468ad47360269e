"""The settings and the folders they name."""

import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from crowdmask.infra.settings import Settings


def test_everything_lies_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "d")
    assert settings.database_url == f"sqlite:///{tmp_path}/d/crowdmask.sqlite3"
    for path in (
        settings.blobs_dir,
        settings.broker_dir,
        settings.embeddings_dir,
        settings.exports_dir,
        settings.work_dir,
        settings.secret_path,
    ):
        assert path.parent == settings.data_dir


def test_the_environment_changes_a_setting_and_an_argument_outranks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_DATA_DIR", str(tmp_path / "a"))
    monkeypatch.setenv("CROWDMASK_LEASE_S", "99")
    assert Settings().data_dir == tmp_path / "a"
    assert Settings().lease_s == 99
    settings = Settings.for_folder(tmp_path / "b", lease_s=40)
    assert (settings.data_dir, settings.lease_s) == (tmp_path / "b", 40)


def test_a_relative_folder_is_made_absolute_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.for_folder(Path("d"))
    monkeypatch.chdir("/")
    assert settings.data_dir == tmp_path / "d"
    assert settings.database_url == f"sqlite:///{tmp_path}/d/crowdmask.sqlite3"


def test_another_process_gets_the_same_settings_through_its_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_a_lease_that_one_late_heartbeat_would_lose_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="outlast two heartbeats"):
        Settings.for_folder(tmp_path, lease_s=10, heartbeat_s=6)


@pytest.mark.parametrize(
    "change", [{"lease_s": 0}, {"max_attempts": 0}, {"leese_s": 3}, {"log_format": "xml"}]
)
def test_a_setting_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.for_folder(tmp_path, **change)


def test_addresses_with_passwords_are_not_shown(tmp_path: Path) -> None:
    settings = Settings.for_folder(
        tmp_path, database_url="postgresql+psycopg://u:hidden@h/d", broker_url="redis://:hidden@h/0"
    )
    assert "hidden" not in repr(settings)


def test_only_the_owner_may_look_into_a_new_data_folder(tmp_path: Path) -> None:
    settings = Settings.for_folder(tmp_path / "new" / "folder")
    settings.make_folders()
    settings.make_folders()
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert settings.blobs_dir.is_dir()


def test_the_embedded_broker_is_asked_more_often(tmp_path: Path) -> None:
    assert Settings.for_folder(tmp_path, broker_url="filesystem://").reconcile_every_s == 1
    assert Settings.for_folder(tmp_path, broker_url="redis://127.0.0.1/0").reconcile_every_s == 5
