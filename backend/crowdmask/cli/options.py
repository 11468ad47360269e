"""What several commands of ``crowdmask`` share: options, and the settings that follow from them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.console import Program, readable
from crowdmask.core.errors import ErrorCode, InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from crowdmask.infra.settings import Settings
    from crowdmask.local_projects import VolumeFiles

program = Program("crowdmask")

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Data folder; default: CROWDMASK_DATA_DIR or ./crowdmask-data."
    ),
]
ReferenceOriginOption = Annotated[
    str,
    typer.Option(
        metavar="ORIGIN", help="Where the reference comes from: expert, model, generated or unknown."
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port of the server; default: 8000, or one of the next if it is in use."
    ),
]
PublicUrlOption = Annotated[
    str | None,
    typer.Option(metavar="https://..", help="Where people reach the server, through a proxy with https."),
]
VolumeIndexOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Which volume of a file that holds several.")
]


def checked_settings(data: Path | None, **changes: object) -> "Settings":
    """The settings of a data folder that can be used; a wrong variable of the environment is refused like any other input.

    ``changes`` outrank the environment where they are not None.
    """
    from crowdmask.infra.logs import set_up_logs
    from crowdmask.infra.settings import load_settings

    settings = load_settings(data, **{name: value for name, value in changes.items() if value is not None})
    _check_data_folder(settings)
    _check_database_url(settings.database_url)
    set_up_logs(log_format=settings.log_format, level=settings.log_level)
    return settings


def volume_files(
    volume: Path,
    reference: Path | None,
    reference_origin: str,
    *,
    name: str = "",
    assume_affine: bool = False,
    volume_index: int | None = None,
) -> "VolumeFiles":
    from crowdmask.local_projects import VolumeFiles
    from crowdmask.models import ReferenceOrigin

    if reference_origin not in list(ReferenceOrigin):
        known = ", ".join(ReferenceOrigin)
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"There is no origin {reference_origin!r}; there are {known}."
        )
    return VolumeFiles(
        name=name or volume.name.removesuffix(".gz").removesuffix(".nii"),
        volume=readable(volume),
        reference=None if reference is None else readable(reference),
        origin=ReferenceOrigin(reference_origin),
        assume_affine=assume_affine,
        volume_index=volume_index,
    )


def news() -> "Console":
    """Where progress is told: standard error, so that standard output holds the result alone."""
    from rich.console import Console

    return Console(stderr=True, markup=False)


def _check_data_folder(settings: "Settings") -> None:
    folder = settings.data_dir
    try:
        settings.make_folders()
    except OSError as error:
        file_there = isinstance(error, FileExistsError)
        reason = f"{error.filename} is not a folder" if file_there else error.strerror or error
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{folder} cannot be used as the data folder: {reason}."
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{folder} cannot be used as the data folder: it may not be changed."
        )


def _check_database_url(url: str) -> None:
    """Whether SQLAlchemy can use the address at all; nothing is connected. The address may hold a password."""
    import sqlalchemy as sa

    try:
        sa.create_engine(url)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        reason = f"there is no driver for it ({error})"
    except (sa.exc.ArgumentError, ValueError):
        reason = "it is not an address of the form dialect+driver://user:password@host:port/database"
    else:
        return
    raise InvalidInput(ErrorCode.OPTION_INVALID, f"CROWDMASK_DATABASE_URL cannot be used: {reason}.")
