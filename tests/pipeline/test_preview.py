"""Previews from end to end: the API, and the service in a process of its own as ``crowdmask up`` starts it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from crowdmask.app import create_app
from crowdmask.core.geometry import Box
from crowdmask.core.preview import SECRET_HEADER, SECRET_PURPOSE, Preview, PreviewRequest
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.tracks import BoxSource, document_from_boxes
from crowdmask.core.windowing import CT_ABDOMEN
from crowdmask.embedded import preview_service
from crowdmask.infra.security import derived_secret
from crowdmask.infra.settings import Settings
from crowdmask.models import Account
from crowdmask.supervise import Supervisor
from crowdmask_worker.preview import LONGEST_QUEUE
from tests import factories
from tests.api.server import AppServer, problem
from tests.waiting import PATIENCE_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

SHAPE = (6, 48, 64)
Z = 2
BOXES = ((10.0, 14.0, 31.0, 35.0), (40.0, 14.0, 56.0, 35.0))
MANY = 1000  # boxes that take seconds


@dataclass
class Place:
    """A server, its preview service, and a person with a task on a volume with two bright discs."""

    server: AppServer
    service: Supervisor
    pack: Path
    person: Account
    assignment_id: UUID

    @property
    def settings(self) -> Settings:
        return self.server.settings

    def ask(self) -> Any:
        return self.server.sign_in(self.person).post(
            f"/api/v1/assignments/{self.assignment_id}/preview", json={"slice": Z, "boxes": BOXES}
        )

    def ask_until_answered(self) -> dict[str, Any]:
        """The service starts and loads its model meanwhile, and the page asks again as it is told."""
        end = time.monotonic() + PATIENCE_S
        while (answer := self.ask()).status_code == 503 and time.monotonic() < end:
            time.sleep(float(answer.headers["retry-after"]) / 4)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def ask_service(self, asker: str, *, boxes: int) -> int | None:
        """Its status, or None when the answer takes longer than a moment."""
        secret = derived_secret(self.settings.secret_path, SECRET_PURPOSE)
        wanted = PreviewRequest(asker, self.pack.name, Z, CT_ABDOMEN, (Box(*BOXES[0]),) * boxes)
        try:
            answer = httpx.post(
                f"{self.settings.preview_url}/preview",
                json=wanted.to_json(),
                headers={SECRET_HEADER: secret},
                timeout=0.1,
            )
        except httpx.TimeoutException:
            return None
        assert answer.status_code != 503 or int(answer.headers["retry-after"]) >= 1
        return answer.status_code


@pytest.fixture
def place(database_url: str, settings: Settings, tmp_path: Path) -> Iterator[Place]:
    settings.make_folders()
    settings, commands = preview_service(settings)
    with Supervisor(commands, grace_s=1) as service, _served(settings, tmp_path) as server:
        z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
        discs = sum(
            ((y - 24) ** 2 + (x - column) ** 2 <= radius**2) & (z >= 1) & (z <= 4)
            for column, radius in ((20, 9), (48, 6))
        )
        write_pack(tmp_path / "made.pack", np.where(discs, 120, -600).astype(np.int16))
        sha256 = server.storage.put_file(tmp_path / "made.pack")
        with server.database.write() as session:
            person = factories.add_account(session)
            project = factories.add_project(session, person)
            volume = factories.add_volume(session, project, shape=SHAPE, pack_sha256=sha256)
            assignment = factories.add_assignment(session, factories.add_task(session, volume), person)
            place = Place(server, service, server.storage.path(sha256), person, assignment.id)
        yield place


@contextmanager
def _served(settings: Settings, tmp_path: Path) -> Iterator[AppServer]:
    server = AppServer(create_app(settings, site_folder=tmp_path / "no-pages"))
    try:
        yield server
    finally:
        server.database.close()


def test_a_preview_is_the_mask_of_the_same_boxes_and_drawing_goes_on_when_there_is_none(
    place: Place, tmp_path: Path
) -> None:
    from crowdmask_ml.loading import load_segmenter
    from crowdmask_ml.segment import segment_volume

    answers = [place.ask_until_answered() for _ in range(2)]
    assert answers[0] == answers[1]
    preview = Preview.from_json(answers[0])
    with SlicePack.open(place.pack) as pack:
        drawn = document_from_boxes(SHAPE, {Z: [Box(*box) for box in BOXES]}, source=BoxSource.DRAWN)
        made = segment_volume(pack, {1: drawn}, load_segmenter("litemedsam"), window=CT_ABDOMEN)
    assert np.array_equal(preview.region.mask(SHAPE[1:]), made.mask[Z] > 0)
    assert made.mask[Z][:, :32].any()
    assert made.mask[Z][:, 32:].any()
    assert preview.predicted_iou == pytest.approx(made.slices[0].predicted_iou, abs=1e-4)
    assert len(answers[0]["bits"]) < 400

    _fill(place)
    full = problem(place.ask(), 503, "preview_unavailable")
    assert "too much to do" in full["detail"]

    place.service.stop()
    away = place.ask()
    assert "does not answer" in problem(away, 503, "preview_unavailable")["detail"]
    assert int(away.headers["retry-after"]) >= 1
    opened = place.server.sign_in(place.person).post(f"/api/v1/assignments/{place.assignment_id}/annotation")
    assert opened.is_success, opened.text


def _fill(place: Place) -> None:
    """Other people ask for the masks of so many boxes that no more are let in."""
    askers = (f"person {n}" for n in range(10 * LONGEST_QUEUE))
    assert any(place.ask_service(asker, boxes=MANY) == 503 for asker in askers)
