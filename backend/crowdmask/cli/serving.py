"""The commands that start the platform, or make it ready to start."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.cli.options import (
    DataFolder,
    PortOption,
    PublicUrlOption,
    ReferenceOriginOption,
    VolumeIndexOption,
    checked_settings,
    news,
    volume_files,
)
from crowdmask.console import AsJson, AssumeAffine, print_json
from crowdmask.core.errors import ErrorCode, InvalidInput

if TYPE_CHECKING:
    from rich.console import Console


def demo(
    volume: Annotated[
        Path | None, typer.Option(metavar="CT.nii.gz", help="Default: a generated phantom.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="LABELS.nii.gz", help="Its labels 1 to 5; needed with --volume.")
    ] = None,
    reference_origin: ReferenceOriginOption = "unknown",
    assume_affine: AssumeAffine = False,
    volume_index: VolumeIndexOption = None,
    data: DataFolder = None,
    port: PortOption = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End after the table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the main job: a volume in, simulated annotators box it, masks and an nnU-Net dataset out; then serve it."""
    from crowdmask.demo import check_files, print_result, run_demo, your_turn
    from crowdmask.embedded import serving

    if (volume is None) != (reference is None):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "The demo needs a volume and its reference together: the simulated annotators box what the reference holds.",
            hint="Give both --volume and --reference, or neither.",
        )
    files = None
    if volume is not None:
        files = volume_files(
            volume, reference, reference_origin, assume_affine=assume_affine, volume_index=volume_index
        )
        check_files(files)
    console = news()
    settings = checked_settings(data, port=port)
    console.print(f"Data folder: {settings.data_dir}")
    with serving(settings, exactly=port is not None) as platform:
        result = run_demo(platform, files, console)
        if as_json:
            print_json(result.to_json())
        else:
            print_result(result)
        if no_serve:
            return
        links = your_turn(platform, files, console)
        _invite_to_look(
            console, platform.settings.base_url, {"admin": links.admin, "annotator": links.annotator}
        )
        _wait_until_stopped()


def up(
    data: DataFolder = None,
    port: PortOption = None,
    public_url: PublicUrlOption = None,
) -> None:
    """Start everything on one computer: the server and its worker, on a data folder that is made when needed."""
    from crowdmask.accounts.service import local_operator
    from crowdmask.embedded import serving, sign_in_link

    console = news()
    settings = checked_settings(data, port=port, public_url=public_url)
    console.print(f"Data folder: {settings.data_dir}")
    with serving(settings, exactly=port is not None) as platform:
        with platform.database.write() as session:
            link = sign_in_link(platform, session, local_operator(session).account_id)
        _invite_to_look(console, platform.settings.base_url, {"admin": link})
        _wait_until_stopped()


def serve(
    data: DataFolder = None,
    port: PortOption = None,
    public_url: PublicUrlOption = None,
) -> None:
    """Start the server alone, where workers run by themselves and the database is migrated already."""
    from crowdmask.embedded import serving_alone

    with serving_alone(checked_settings(data, port=port, public_url=public_url)) as platform:
        news().print(f"Crowdmask runs at {platform.settings.base_url}", soft_wrap=True)
        _wait_until_stopped()


def sign_in_link_(
    data: DataFolder = None,
    public_url: PublicUrlOption = None,
) -> None:
    """Print an address that signs the first admin in, once: for the first start, and when a password is lost."""
    from crowdmask.accounts.service import local_operator
    from crowdmask.embedded import prepared, sign_in_link

    with (
        prepared(checked_settings(data, public_url=public_url)) as platform,
        platform.database.write() as session,
    ):
        typer.echo(sign_in_link(platform, session, local_operator(session).account_id))


def migrate(data: DataFolder = None) -> None:
    """Create the database, or bring it to the schema of this version. May be run again."""
    from crowdmask.embedded import prepared

    with prepared(checked_settings(data)) as platform:
        url = platform.database.engine.url.render_as_string(hide_password=True)
        typer.echo(f"The database is up to date: {url}")


def _invite_to_look(console: "Console", url: str, links: dict[str, str]) -> None:
    """The addresses as text and, where other devices reach them, as QR codes: a phone can be the annotator's device."""
    import io
    from urllib.parse import urlsplit

    import segno

    from crowdmask.infra.settings import LOOPBACK

    only_here = urlsplit(url).hostname in LOOPBACK
    console.print(
        f"\nCrowdmask runs at {url} (Ctrl-C ends it). Each of these links signs in once:", soft_wrap=True
    )
    for who, link in links.items():
        console.print(f"\n  {who}: {link}", soft_wrap=True)
        if only_here:
            continue
        code = io.StringIO()
        segno.make(link, micro=False).terminal(code, border=2, compact=True)
        console.file.write(code.getvalue())
    if only_here:
        console.print(
            "\nThey open on this computer only. For phones and other computers: docs/deploy.md (--public-url).",
            soft_wrap=True,
        )


def _wait_until_stopped() -> None:
    import threading

    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
