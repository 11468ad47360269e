"""The settings, read once at an entry point and handed down; nothing else reads the environment."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crowdmask.core.errors import ErrorCode, InvalidInput

DEFAULT_MODEL = "litemedsam"
EMBEDDED_BROKER = "filesystem://"
PREVIEW_AUTO = "auto"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _absolute(path: Path) -> Path:
    if not path.name:  # an empty variable would otherwise mean the current folder
        raise ValueError(f"{str(path)!r} names no folder of its own; name one, such as crowdmask-data")
    return path.expanduser().absolute()


def _preview_url(url: str) -> str:
    parts = urlsplit(url)
    if url in ("", PREVIEW_AUTO) or (
        parts.scheme == "http" and parts.hostname and parts.port and not parts.path
    ):
        return url
    raise ValueError(f"{url!r} is neither auto, nor empty, nor of the form http://host:port")


def _public_url(url: str | None) -> str | None:
    if url is None or url == "":
        return None
    parts = urlsplit(url)
    loopback = parts.hostname in LOOPBACK
    if (
        parts.scheme not in ("http", "https")
        or parts.hostname is None
        or parts.path.rstrip("/")
        or parts.query
    ):
        raise ValueError(f"{url!r} is not of the form https://host or https://host:port")
    if parts.scheme == "http" and not loopback:
        raise ValueError(
            f"{url!r} is not encrypted, so passwords and images could be read on the way: use https, as docs/deploy.md "
            '("Behind a proxy with https") shows'
        )
    return f"{parts.scheme}://{parts.netloc}"


def _default_database_url(values: dict[str, Any]) -> str:
    return f"sqlite:///{values['data_dir'] / 'crowdmask.sqlite3'}"


class Settings(BaseSettings):
    """Everything that differs between two installations. Environment: ``CROWDMASK_`` and the field's name.

    Durations are seconds. ``ring_again_s``: a queue whose bell was rung and not answered is rung again after this
    time. ``soft_shutdown_s``: what a stopping worker gives a running job before it takes the job's lease back.
    ``watchdog_s``: an idle worker that leaves a due job waiting for longer than this ends, to be started again.
    ``handlers``: the package with one module per kind of job. ``model``: the segmenter that makes masks, a name of
    ``crowdmask-ml models list``; ``runtime``: what computes it. ``host`` and ``port``: where the server listens; ``public_url``: where people reach it,
    ``https://...`` through a proxy, which decides about cookies, origins and links. ``preview_url``: where the preview
    service answers, ``http://host:port``; ``auto``: ``crowdmask up`` starts one itself, other servers have none; empty:
    there is none. ``embed_ahead``: whether slices of a new volume are prepared before anybody draws on them.
    """

    model_config = SettingsConfigDict(
        env_prefix="CROWDMASK_", frozen=True, extra="forbid", validate_default=True
    )

    data_dir: Annotated[Path, AfterValidator(_absolute)] = Path("crowdmask-data")
    database_url: str = Field(default_factory=_default_database_url, repr=False)
    broker_url: str = Field(default=EMBEDDED_BROKER, repr=False)

    lease_s: PositiveFloat = 30.0
    heartbeat_s: PositiveFloat = 10.0
    ring_again_s: PositiveFloat = 30.0
    backoff_base_s: PositiveFloat = 2.0
    backoff_max_s: PositiveFloat = 300.0
    max_attempts: PositiveInt = 5
    soft_shutdown_s: PositiveFloat = 10.0
    watchdog_s: PositiveFloat = 60.0
    handlers: str = "crowdmask_worker.handlers"
    model: str = DEFAULT_MODEL
    runtime: Literal["auto", "torch", "openvino", "onnx"] = "auto"
    preview_url: Annotated[str, AfterValidator(_preview_url)] = PREVIEW_AUTO
    embed_ahead: bool = False

    task_lease_s: PositiveFloat = 3600.0

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: Annotated[str | None, AfterValidator(_public_url)] = None

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _heartbeats_keep_a_lease(self) -> Self:
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(
                f"heartbeat_s is {self.heartbeat_s:g} and lease_s {self.lease_s:g}: a lease must outlast two "
                "heartbeats, or one late heartbeat loses the job."
            )
        return self

    @classmethod
    def for_folder(cls, data_dir: Path, **changes: Any) -> "Settings":
        """The settings of the data folder ``data_dir``; ``changes`` and it outrank the environment."""
        return cls(data_dir=data_dir, **changes)

    def environment(self) -> dict[str, str]:
        """The variables that give a child process the same settings."""
        return {
            f"CROWDMASK_{name.upper()}": "" if value is None else str(value)
            for name, value in self.model_dump().items()
        }

    @property
    def is_https(self) -> bool:
        """Whether people reach the server by https: only then cookies may be marked Secure."""
        return self.public_url is not None and self.public_url.startswith("https://")

    @property
    def base_url(self) -> str:
        """Where links lead, without a slash at the end."""
        return self.public_url or f"http://{'localhost' if self.host in LOOPBACK else self.host}:{self.port}"

    @property
    def throttle_url(self) -> str:
        """Where tries are counted: in Redis when there is one, since several server processes may share it."""
        return "memory://" if self.embedded_broker else self.broker_url

    @property
    def embedded_broker(self) -> bool:
        """Whether the bells are files in the data folder (one computer) and not messages of a Redis server."""
        return self.broker_url.startswith(EMBEDDED_BROKER)

    @property
    def reconcile_every_s(self) -> float:
        return 1.0 if self.embedded_broker else 5.0

    @property
    def blobs_dir(self) -> Path:
        return self.data_dir / "blobs"

    @property
    def broker_dir(self) -> Path:
        return self.data_dir / "broker"

    @property
    def embeddings_dir(self) -> Path:
        return self.data_dir / "embeddings"

    @property
    def exports_dir(self) -> Path:
        return self.data_dir / "exports"

    @property
    def trainings_dir(self) -> Path:
        """One folder for each training, with nnU-Net's three in it."""
        return self.data_dir / "trainings"

    @property
    def work_dir(self) -> Path:
        """For temporary files: on the same file system as the blobs."""
        return self.data_dir / "work"

    @property
    def secret_path(self) -> Path:
        return self.data_dir / "secret"

    def make_folders(self) -> None:
        """Create the data folder (only its owner may look inside) and what belongs in it. May be called again."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (
            self.blobs_dir,
            self.broker_dir,
            self.embeddings_dir,
            self.exports_dir,
            self.trainings_dir,
            self.work_dir,
        ):
            folder.mkdir(exist_ok=True)


def load_settings(data_dir: Path | None = None, **changes: Any) -> Settings:
    """The settings of the environment, for the data folder ``data_dir`` if one is given; ``changes`` outrank it.

    Raises:
        InvalidInput: ``option_invalid``, naming each variable that is unusable.
    """
    try:
        return Settings(**changes) if data_dir is None else Settings.for_folder(data_dir, **changes)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"A setting is unusable: {wrong}.") from error
