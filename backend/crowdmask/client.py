"""A small typed client of the HTTP API, for scripts and notebooks.

    client = Client("https://crowdmask.example.org", token="...")   # a personal access token of your account page
    project = client.create_project("Abdomen", labels=["spleen", "liver"])
    volume = client.upload_volume(project.id, Path("ct.nii.gz"), name="CT 1")

Every refusal of the server is raised as the same typed error that the server's own code raises: ``error.code``,
``error.message``, ``error.hint``. A request that was not answered is sent again where sending it twice is harmless.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from crowdmask.core.errors import (
    Conflict,
    Corrupt,
    CrowdmaskError,
    ErrorCode,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    PreconditionMissing,
    Stale,
    TooMany,
    Unavailable,
)
from crowdmask.core.ids import new_id
from crowdmask.core.operations import Operation
from crowdmask.core.tracks import AnnotationDocument

Progress = Callable[[int, int], None]
"""Told the bytes sent and the bytes to send."""

_CHUNK_BYTES = 1024**2
_TRIES = 5
_KINDS: Mapping[int, type[CrowdmaskError]] = {
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidInput,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: InvalidInput,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.PRECONDITION_FAILED: Stale,
    HTTPStatus.PRECONDITION_REQUIRED: PreconditionMissing,
    HTTPStatus.UNAUTHORIZED: NotSignedIn,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.INSUFFICIENT_STORAGE: Unavailable,
    HTTPStatus.INTERNAL_SERVER_ERROR: Corrupt,
}


@dataclass(frozen=True)
class ProjectLabel:
    index: int
    name: str


@dataclass(frozen=True)
class ProjectView:
    id: UUID
    name: str
    labels: tuple[ProjectLabel, ...]


@dataclass(frozen=True)
class VolumeView:
    """``shape``: (nz, ny, nx); None while the file is quarantined. ``pack_sha256``: once it is ready."""

    id: UUID
    name: str
    state: str
    shape: tuple[int, int, int] | None
    pack_sha256: str | None
    refusal: str | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceView:
    id: UUID
    origin: str
    notices: tuple[str, ...]


@dataclass(frozen=True)
class AssignmentView:
    """A task that is mine."""

    id: UUID
    task_id: UUID
    volume_id: UUID
    label: ProjectLabel


@dataclass(frozen=True)
class AnnotationView:
    """My work on a task; ``volume_sha256``: of the slice pack that boxes are drawn on."""

    id: UUID
    revision: int
    state: str
    document: AnnotationDocument
    volume_sha256: str


@dataclass(frozen=True)
class SaveView:
    revision: int
    late: bool


@dataclass(frozen=True)
class MaskView:
    """``state``: none, queued, running, done or failed. ``segmentation_id``: once it is done."""

    state: str
    progress: float
    error: str | None
    segmentation_id: UUID | None
    seconds: float | None


@dataclass(frozen=True)
class ExportView:
    id: UUID
    dataset_name: str
    state: str
    progress: float
    error: str | None
    cases: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationView:
    """One mask against its volume's reference; ``volume_dice`` is None where it is undefined or not yet computed."""

    segmentation_id: UUID
    volume_name: str
    label: ProjectLabel
    volume_dice: float | None
    evaluated: bool


class Client:
    """One account at one server; a context manager.

    Args:
        base_url: as people open it in the browser.
        token: a personal access token with the scope that the calls need.
        timeout_s: for each request; an upload may take longer as long as bytes move.
    """

    def __init__(self, base_url: str, token: str, *, timeout_s: float = 60.0) -> None:
        self._http = _http(base_url, timeout_s, {"Authorization": f"Bearer {token}"})

    @classmethod
    def join(cls, invite_url: str, *, name: str, timeout_s: float = 60.0) -> Self:
        """Accept an invite under a new account of that ``name``, and be its client by a token of 30 days.

        Raises:
            CrowdmaskError: ``link_invalid`` when the invite was used, has expired or was revoked.
        """
        base_url, _, invite_token = invite_url.partition("/join#")
        parts = urlsplit(base_url)
        with _http(base_url, timeout_s, {"Origin": f"{parts.scheme}://{parts.netloc}"}) as http:
            _answer(http.post("/invites/accept", json={"token": invite_token, "name": name}))
            made = _answer(
                http.post("/me/tokens", json={"name": "Python client", "scope": "write", "days": 30})
            )
        return cls(base_url, made["token"], timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---- projects and volumes ----

    def create_project(
        self, name: str, *, labels: Sequence[str], guides: Mapping[str, str] | None = None, overlap: int = 1
    ) -> ProjectView:
        """Make a project with these labels, numbered from 1.

        Args:
            guides: by label, how to box it, for those who do.
            overlap: people per task.
        """
        described = [{"name": label, "guide": (guides or {}).get(label, "")} for label in labels]
        return _project(self._post("/projects", {"name": name, "labels": described, "overlap": overlap}))

    def project(self, project_id: UUID) -> ProjectView:
        return _project(self._get(f"/projects/{project_id}"))

    def create_invite(self, project_id: UUID, *, role: str = "annotator", note: str = "") -> str:
        """The address with which one person can join, once."""
        return str(self._post(f"/projects/{project_id}/invites", {"role": role, "note": note})["url"])

    def upload_volume(
        self,
        project_id: UUID,
        path: Path,
        *,
        name: str,
        assume_affine: bool = False,
        volume_index: int | None = None,
        progress: Progress | None = None,
    ) -> VolumeView:
        """Upload a NIfTI file; some seconds later ``volume(...).state`` is ready.

        Raises:
            InvalidInput: why the file was refused.
        """
        parameters: dict[str, Any] = {"name": name, "assume_affine": assume_affine}
        if volume_index is not None:
            parameters["volume_index"] = volume_index
        return _volume(self._upload(f"/projects/{project_id}/volumes", path, parameters, progress))

    def upload_reference(
        self,
        volume_id: UUID,
        path: Path,
        *,
        origin: str,
        assume_affine: bool = False,
        progress: Progress | None = None,
    ) -> ReferenceView:
        """Upload a volume's reference mask; ``origin``: expert, model, generated or unknown."""
        parameters = {"origin": origin, "assume_affine": assume_affine}
        found = self._upload(f"/volumes/{volume_id}/reference", path, parameters, progress)
        return ReferenceView(UUID(found["id"]), found["origin"], _notices(found))

    def volume(self, volume_id: UUID) -> VolumeView:
        return _volume(self._get(f"/volumes/{volume_id}"))

    def create_tasks(
        self, project_id: UUID, *, volume_ids: Sequence[UUID], label_indices: Sequence[int]
    ) -> list[UUID]:
        """Make a task of each volume and label; the ids of all of them, old and new."""
        body = {"volume_ids": [str(one) for one in volume_ids], "label_indices": list(label_indices)}
        return [UUID(task["id"]) for task in self._post(f"/projects/{project_id}/tasks", body)]

    # ---- work ----

    def next_task(self, project_id: UUID) -> AssignmentView | None:
        """Something to do, reserved for me; None when there is nothing."""
        found = self._post(f"/projects/{project_id}/next-task")
        return None if found is None else _assignment(found)

    def open_annotation(self, assignment_id: UUID) -> AnnotationView:
        return _annotation(self._post(f"/assignments/{assignment_id}/annotation"))

    def save(self, annotation: AnnotationView, operations: Sequence[Operation], *, revision: int) -> SaveView:
        """Save a batch of operations that were made on ``revision``, all or none.

        Raises:
            Stale: somebody saved meanwhile.
        """
        found = self._request(
            "POST",
            f"/annotations/{annotation.id}/operations",
            json={
                "volume_sha256": annotation.volume_sha256,
                "operations": [operation.to_json() for operation in operations],
            },
            headers={"If-Match": f'"{revision}"', "Idempotency-Key": new_id().hex},
            harmless_twice=True,  # the key makes it so
        )
        return SaveView(found["revision"], found["late"])

    def submit(self, annotation_id: UUID, *, revision: int) -> AnnotationView:
        """Hand in.

        Raises:
            Conflict: ``not_complete``, slices are undecided.
        """
        return _annotation(
            self._request(
                "POST",
                f"/annotations/{annotation_id}/submit",
                headers={"If-Match": f'"{revision}"'},
                harmless_twice=True,
            )
        )

    def mask(self, annotation_id: UUID) -> MaskView:
        """How far the mask of the submitted work is."""
        found = self._get(f"/annotations/{annotation_id}/mask")
        made = found["segmentation"]
        return MaskView(
            state=found["state"],
            progress=found["progress"],
            error=found["error"],
            segmentation_id=None if made is None else UUID(made["id"]),
            seconds=None if made is None else made["seconds"],
        )

    def download_mask(self, segmentation_id: UUID, path: Path) -> None:
        """Write the NIfTI mask to ``path``."""
        self._download(f"/segmentations/{segmentation_id}/file", path)

    # ---- results ----

    def create_export(self, project_id: UUID, *, name: str | None = None) -> ExportView:
        """Freeze what is finished as an nnU-Net v2 dataset.

        Raises:
            InvalidInput: ``export_empty``.
        """
        return _export(self._post(f"/projects/{project_id}/exports", {"name": name}))

    def export(self, export_id: UUID) -> ExportView:
        return _export(self._get(f"/exports/{export_id}"))

    def download_export(self, export_id: UUID, path: Path) -> None:
        """Write the dataset as a zip to ``path``."""
        self._download(f"/exports/{export_id}/download", path)

    def evaluate(self, project_id: UUID) -> int:
        """Ask for the evaluation of all masks that have a reference; how many there were to do."""
        return int(self._post(f"/projects/{project_id}/evaluations")["jobs"])

    def evaluations(self, project_id: UUID) -> list[EvaluationView]:
        return [
            EvaluationView(
                segmentation_id=UUID(row["segmentation_id"]),
                volume_name=row["volume_name"],
                label=ProjectLabel(row["label_index"], row["label_name"]),
                volume_dice=row["volume_dice"],
                evaluated=row["evaluated_at"] is not None,
            )
            for row in self._get(f"/projects/{project_id}/evaluations")["rows"]
        ]

    # ---- requests ----

    def _get(self, path: str) -> Any:
        return self._request("GET", path, harmless_twice=True)

    def _post(self, path: str, body: Any = None) -> Any:
        return self._request("POST", path, json=body)

    def _upload(self, path: str, file: Path, parameters: Mapping[str, Any], progress: Progress | None) -> Any:
        total = file.stat().st_size

        def chunks() -> Iterator[bytes]:
            sent = 0
            with file.open("rb") as source:
                while chunk := source.read(_CHUNK_BYTES):
                    yield chunk
                    sent += len(chunk)
                    if progress is not None:
                        progress(sent, total)

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(total)}
        return self._request("POST", path, params=parameters, content=chunks(), headers=headers)

    def _download(self, path: str, target: Path) -> None:
        with _reachable(self._http), self._http.stream("GET", path) as response:
            if response.is_error:
                response.read()
                _answer(response)
            with target.open("wb") as file:
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    file.write(chunk)

    def _request(self, method: str, path: str, *, harmless_twice: bool = False, **options: Any) -> Any:
        tries = _TRIES if harmless_twice else 1
        for left in range(tries - 1, -1, -1):
            try:
                with _reachable(self._http):
                    return _answer(self._http.request(method, path, **options))
            except Unavailable as error:
                if left == 0 or error.code is ErrorCode.STORAGE_FULL:
                    raise
                time.sleep(2.0 ** (tries - 1 - left) / 2)
        raise AssertionError  # the last try returned or raised


class _reachable:  # noqa: N801  reads as the condition that it states
    """Says of a server that does not answer that it cannot be reached."""

    def __init__(self, http: httpx.Client) -> None:
        self._url = str(http.base_url)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.TransportError):
            raise Unavailable(
                ErrorCode.SERVER_UNREACHABLE,
                f"The server at {self._url} did not answer ({type(error).__name__}).",
                hint="Check the address, and that the server runs.",
            ) from error


def _http(base_url: str, timeout_s: float, headers: Mapping[str, str]) -> httpx.Client:
    return httpx.Client(
        base_url=f"{base_url.rstrip('/')}/api/v1",
        headers=dict(headers),
        timeout=timeout_s,
        follow_redirects=False,
    )


def _answer(response: httpx.Response) -> Any:
    """The JSON of an answer, None for an empty one; a problem is raised as the error that it describes."""
    if not response.is_error:
        return response.json() if response.content else None
    try:
        problem = response.json()
        code, message, hint = ErrorCode(problem["code"]), str(problem["detail"]), str(problem["hint"])
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            ErrorCode.SERVER_UNREACHABLE,
            f"{response.url.host} answered {response.status_code}, and not as Crowdmask does.",
            hint="Check the address, and the proxy in front of the server.",
        ) from None
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise TooMany(code, message, hint=hint, retry_after_s=int(response.headers.get("Retry-After", "1")))
    raise _KINDS.get(response.status_code, CrowdmaskError)(code, message, hint=hint)


def _project(found: Any) -> ProjectView:
    labels = tuple(ProjectLabel(label["index"], label["name"]) for label in found["labels"])
    return ProjectView(UUID(found["id"]), found["name"], labels)


def _notices(found: Any) -> tuple[str, ...]:
    return tuple(notice["text"] for notice in found["notices"])


def _volume(found: Any) -> VolumeView:
    shape, pack, refusal = found["shape"], found["pack"], found["refusal"]
    return VolumeView(
        id=UUID(found["id"]),
        name=found["name"],
        state=found["state"],
        shape=None if shape is None else (shape[0], shape[1], shape[2]),
        pack_sha256=None if pack is None else pack["sha256"],
        refusal=None if refusal is None else refusal["text"],
        notices=_notices(found),
    )


def _assignment(found: Any) -> AssignmentView:
    label = ProjectLabel(found["label"]["index"], found["label"]["name"])
    return AssignmentView(UUID(found["id"]), UUID(found["task_id"]), UUID(found["volume_id"]), label)


def _annotation(found: Any) -> AnnotationView:
    return AnnotationView(
        id=UUID(found["id"]),
        revision=found["revision"],
        state=found["state"],
        document=AnnotationDocument.from_json(found["document"]),
        volume_sha256=found["volume_sha256"],
    )


def _export(found: Any) -> ExportView:
    return ExportView(
        id=UUID(found["id"]),
        dataset_name=found["dataset_name"],
        state=found["state"],
        progress=found["progress"],
        error=found["error"],
        cases=tuple(found["cases"]),
    )
