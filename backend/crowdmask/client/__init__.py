"""A small typed client of the HTTP API, for scripts and notebooks.

    client = Client("https://crowdmask.example.org", token="...")   # a personal access token of your account page
    project = client.create_project("Abdomen", labels=["spleen", "liver"])
    volume = client.upload_volume(project.id, Path("ct.nii.gz"), name="CT 1")

Every refusal of the server is raised as the same typed error that the server's own code raises: ``error.code``,
``error.message``, ``error.hint``. A request that was not answered is sent again where sending it twice is harmless.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from crowdmask.client.datasets import Datasets
from crowdmask.client.masks import Masks
from crowdmask.client.training_views import (
    DatasetPairView,
    EpochView,
    LabelDiceView,
    TrainingDetailsView,
    TrainingResultView,
    TrainingStepView,
    TrainingView,
)
from crowdmask.client.trainings import Trainings
from crowdmask.client.transport import Progress, Transport
from crowdmask.client.views import (
    AgreementView,
    AnnotationView,
    AssignmentView,
    ComparedView,
    EvaluationView,
    ExportPreviewView,
    ExportView,
    MadeMaskView,
    MaskView,
    MeanView,
    ProjectLabel,
    ProjectSummary,
    ProjectView,
    ReferenceView,
    SaveView,
    ScoreSetView,
    VolumeView,
    agreement_of,
    annotation_of,
    assignment_of,
    compared_of,
    project_of,
    summary_of,
    volume_of,
)
from crowdmask.core.ids import new_id
from crowdmask.core.operations import Operation

__all__ = [
    "AgreementView",
    "AnnotationView",
    "AssignmentView",
    "Client",
    "ComparedView",
    "DatasetPairView",
    "EpochView",
    "EvaluationView",
    "ExportPreviewView",
    "ExportView",
    "LabelDiceView",
    "MadeMaskView",
    "MaskView",
    "MeanView",
    "ProjectLabel",
    "ProjectSummary",
    "ProjectView",
    "ReferenceView",
    "SaveView",
    "ScoreSetView",
    "TrainingDetailsView",
    "TrainingResultView",
    "TrainingStepView",
    "TrainingView",
    "VolumeView",
]


class Client(Masks, Datasets, Trainings):
    """One account at one server; a context manager.

    Args:
        base_url: as people open it in the browser.
        token: a personal access token with the scope that the calls need.
        timeout_s: for each request; an upload may take longer as long as bytes move.
    """

    def __init__(self, base_url: str, token: str, *, timeout_s: float = 60.0) -> None:
        self._transport = Transport(base_url, timeout_s, {"Authorization": f"Bearer {token}"})

    @classmethod
    def join(cls, invite_url: str, *, name: str, timeout_s: float = 60.0) -> Self:
        """Accept an invite under a new account of that ``name``, and be its client by a token of 30 days.

        Raises:
            CrowdmaskError: ``link_invalid`` when the invite was used, has expired or was revoked.
        """
        base_url, _, invite_token = invite_url.partition("/join#")
        parts = urlsplit(base_url)
        guest = Transport(base_url, timeout_s, {"Origin": f"{parts.scheme}://{parts.netloc}"})
        with closing(guest):
            guest.post("/invites/accept", {"token": invite_token, "name": name})
            made = guest.post("/me/tokens", {"name": "Python client", "scope": "write", "days": 30})
        return cls(base_url, made["token"], timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

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
        return project_of(
            self._transport.post("/projects", {"name": name, "labels": described, "overlap": overlap})
        )

    def projects(self) -> list[ProjectSummary]:
        """Those that I may see."""
        return [summary_of(found) for found in self._transport.get("/projects")]

    def project(self, project_id: UUID) -> ProjectView:
        return project_of(self._transport.get(f"/projects/{project_id}"))

    def create_invite(self, project_id: UUID, *, role: str = "annotator", note: str = "") -> str:
        """The address with which one person can join, once."""
        return str(
            self._transport.post(f"/projects/{project_id}/invites", {"role": role, "note": note})["url"]
        )

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
        return volume_of(
            self._transport.upload(f"/projects/{project_id}/volumes", path, parameters, progress)
        )

    def upload_reference(
        self,
        volume_id: UUID,
        path: Path,
        *,
        origin: str,
        assume_affine: bool = False,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> ReferenceView:
        """Upload a volume's reference mask; ``origin``: expert, model, generated or unknown.

        Args:
            replace: in the place of the one that the volume has. Scores of masks against that one are deleted with it;
                datasets keep the labels that they were frozen with.

        Raises:
            InvalidInput, Conflict: why the file was refused; ``name_taken`` when there is another reference already.
            NotFound: there is none to replace.
        """
        parameters = {"origin": origin, "assume_affine": assume_affine}
        address = f"/volumes/{volume_id}/reference"
        found = self._transport.upload(
            address, path, parameters, progress, method="PUT" if replace else "POST"
        )
        return ReferenceView(
            UUID(found["id"]), found["origin"], tuple(notice["text"] for notice in found["notices"])
        )

    def delete_reference(self, volume_id: UUID) -> None:
        """Take the reference from a volume, with the scores of masks against it.

        Raises:
            NotFound: there is none.
        """
        self._transport.request("DELETE", f"/volumes/{volume_id}/reference")

    def volume(self, volume_id: UUID) -> VolumeView:
        return volume_of(self._transport.get(f"/volumes/{volume_id}"))

    def volumes(self, project_id: UUID) -> list[VolumeView]:
        """All of a project."""
        return [volume_of(found) for found in self._transport.get_all(f"/projects/{project_id}/volumes")]

    def create_tasks(
        self, project_id: UUID, *, volume_ids: Sequence[UUID], label_indices: Sequence[int]
    ) -> list[UUID]:
        """Make a task of each volume and label; the ids of all of them, old and new."""
        body = {"volume_ids": [str(one) for one in volume_ids], "label_indices": list(label_indices)}
        return [UUID(task["id"]) for task in self._transport.post(f"/projects/{project_id}/tasks", body)]

    # ---- work ----

    def next_task(self, project_id: UUID) -> AssignmentView | None:
        """Something to do, reserved for me; None when there is nothing."""
        found = self._transport.post(f"/projects/{project_id}/next-task")
        return None if found is None else assignment_of(found)

    def open_annotation(self, assignment_id: UUID) -> AnnotationView:
        return annotation_of(self._transport.post(f"/assignments/{assignment_id}/annotation"))

    def save(self, annotation: AnnotationView, operations: Sequence[Operation], *, revision: int) -> SaveView:
        """Save a batch of operations that were made on ``revision``, all or none.

        Raises:
            Stale: somebody saved meanwhile.
        """
        found = self._transport.request(
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
        return annotation_of(
            self._transport.request(
                "POST",
                f"/annotations/{annotation_id}/submit",
                headers={"If-Match": f'"{revision}"'},
                harmless_twice=True,
            )
        )

    def mask(self, annotation_id: UUID) -> MaskView:
        """How far the mask of the submitted work is."""
        found = self._transport.get(f"/annotations/{annotation_id}/mask")
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
        self._transport.download(f"/segmentations/{segmentation_id}/file", path)

    # ---- results ----

    def evaluate(self, project_id: UUID) -> int:
        """Ask for the evaluation of all masks that have a reference; how many there were to do."""
        return int(self._transport.post(f"/projects/{project_id}/evaluations")["jobs"])

    def evaluations(self, project_id: UUID) -> list[EvaluationView]:
        return [
            EvaluationView(
                segmentation_id=UUID(row["segmentation_id"]),
                volume_name=row["volume_name"],
                label=ProjectLabel(row["label_index"], row["label_name"]),
                volume_dice=row["volume_dice"],
                evaluated=row["evaluated_at"] is not None,
            )
            for row in self._transport.get(f"/projects/{project_id}/evaluations")["rows"]
        ]

    def download_score_table(
        self, project_id: UUID, path: Path, *, of: str = "masks", score: str = "volume_dice"
    ) -> None:
        """Write one score of a set as CSV to ``path``, a line per volume and a column per label: what ``crowdmask compare``
        and ``core.compare`` read."""
        asked = urlencode({"of": of, "score": score})
        self._transport.download(f"/projects/{project_id}/evaluations/table?{asked}", path)

    def compare_masks(self, project_id: UUID) -> int:
        """Have the masks of people compared who submitted the same task; how many pairs there were to do."""
        return int(self._transport.post(f"/projects/{project_id}/agreement")["jobs"])

    def agreement(self, project_id: UUID) -> list[AgreementView]:
        """How far every two people agree who submitted the same task."""
        return [agreement_of(row) for row in self._transport.get(f"/projects/{project_id}/agreement")["rows"]]

    def score_sets(self, project_id: UUID) -> list[ScoreSetView]:
        """What has scores in a project: all masks, those of each person, each training."""
        found = self._transport.get(f"/projects/{project_id}/evaluations/sets")
        return [ScoreSetView(**one) for one in found]

    def compare_scores(self, project_id: UUID, a: str, b: str) -> list[ComparedView]:
        """Two sets by their keys, a row for each score and label.

        Raises:
            NotFound: ``not_found``, there is no such set.
            Conflict: ``scores_invalid``, they have no volume with the same label in common.
        """
        found = self._transport.get(
            f"/projects/{project_id}/evaluations/comparison?{urlencode({'a': a, 'b': b})}"
        )
        return [compared_of(row) for row in found["rows"]]

    def download_scores(self, project_id: UUID, path: Path, *, of: str = "masks") -> None:
        """Write all scores of a set as CSV to ``path``, a line for each mask or prediction."""
        self._transport.download(f"/projects/{project_id}/evaluations/scores?{urlencode({'of': of})}", path)

    def download_slices(self, project_id: UUID, path: Path, *, of: str = "masks") -> None:
        """Write voxels and Dice of every slice of a set as CSV to ``path``, a line for each mask or prediction and slice."""
        self._transport.download(f"/projects/{project_id}/evaluations/slices?{urlencode({'of': of})}", path)

    def download_report(
        self, project_id: UUID, path: Path, *, a: str = "masks", b: str | None = None
    ) -> None:
        """Write the report on one or two sets of scores as HTML to ``path``."""
        chosen = {"a": a} if b is None else {"a": a, "b": b}
        self._transport.download(f"/projects/{project_id}/evaluations/report?{urlencode(chosen)}", path)
