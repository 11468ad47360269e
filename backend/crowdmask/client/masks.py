"""The part of the client that lists and fetches masks, whoever made them."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from crowdmask.client.transport import Transport
from crowdmask.client.views import MadeMaskView, ProjectLabel

_FILES: Mapping[str, str] = {
    "person": "/segmentations/{}/file",
    "dataset": "/derived-masks/{}/file",
    "training": "/predictions/{}/file",
}


class Masks:
    """Masks of submitted work, masks that datasets asked for (such as a consensus), and predictions of trainings."""

    _transport: Transport

    def masks(self, project_id: UUID) -> list[MadeMaskView]:
        """All of a project, of each kind by volume."""
        people = self._transport.get_all(f"/projects/{project_id}/masks")
        datasets = self._transport.get_all(f"/projects/{project_id}/derived-masks")
        trainings = self._transport.get_all(f"/projects/{project_id}/predictions")
        told = [
            *(("person", one["segmentation"]["id"], one["annotator"], one) for one in people),
            *(
                ("dataset", one["id"], f"{one['rule']} of {', '.join(one['annotators'])}", one)
                for one in datasets
            ),
            *(("training", one["id"], one["training_name"], one) for one in trainings),
        ]
        return [
            MadeMaskView(
                kind=kind,
                id=UUID(id_),
                by=by,
                volume_id=UUID(one["volume_id"]),
                volume_name=one["volume_name"],
                label=ProjectLabel(one["label_index"], one["label_name"]),
            )
            for kind, id_, by, one in told
        ]

    def download_made_mask(self, mask: MadeMaskView, path: Path) -> None:
        """Write one of ``masks`` as NIfTI to ``path``; a prediction's file holds all labels, in its dataset's numbers.

        Raises:
            NotFound: ``not_found``.
        """
        self._transport.download(_FILES[mask.kind].format(mask.id), path)
