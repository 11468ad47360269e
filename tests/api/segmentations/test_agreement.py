"""How far people agree, over HTTP: their boxes at once, their masks when the worker has compared them."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from crowdmask.client.views import agreement_of
from crowdmask.core import metrics
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.tracks import AnnotationDocument, BoxSource, document_from_tracks, link
from crowdmask.models import Annotation, Role, Segmentation
from tests import factories
from tests.api.evaluations.place import GRID, Place, blob
from tests.api.server import AppServer, problem


@pytest.fixture
def place(server: AppServer, tmp_path: Path) -> Iterator[Place]:
    names = ("admin", "res", "ann", "ben", "cleo")
    with server.database.write() as session:
        people = {name: factories.add_account(session, name=name) for name in names}
        project = factories.add_project(session, people["admin"], labels=("liver", "aorta"))
        for name in names[1:]:
            role = Role.RESEARCHER if name == "res" else Role.ANNOTATOR
            factories.add_member(session, project, people[name], role=role)
    return Place(server, tmp_path, people, project)


def _drawn(box: Box, first: int, last: int) -> AnnotationDocument:
    """Boxes on the slices from ``first`` to ``last``, and not here on all others."""
    tracks = link({z: [box] for z in range(first, last + 1)}, source=BoxSource.DRAWN)
    beyond = Intervals(tuple(run for run in ((0, first - 1), (last + 1, 3)) if run[0] <= run[1]))
    return document_from_tracks(GRID.shape, tracks, beyond)


def _boxed(place: Place, segmentation_id: UUID, document: AnnotationDocument) -> None:
    with place.server.database.write() as session:
        annotation_id = session.get_one(Segmentation, segmentation_id).annotation_id
        session.get_one(Annotation, annotation_id).document = document.to_json()


def _url(place: Place) -> str:
    return f"/api/v1/projects/{place.project.id}/agreement"


def test_two_people_are_compared_by_their_boxes_and_by_their_masks(place: Place) -> None:
    liver = place.volume("a", None)
    masks = blob(z=slice(0, 3), x=3), blob(z=slice(1, 4), x=4)
    ann, ben = place.mask(liver, masks[0]), place.mask(liver, masks[1], by="ben")
    _boxed(place, ann, _drawn(Box(3, 2, 7, 6), 0, 2))
    _boxed(place, ben, _drawn(Box(3, 2, 7, 4), 1, 3))
    place.mask(place.volume("b", None), masks[0], by="cleo")

    asking = place.server.sign_in(place.people["res"])
    before = asking.get(_url(place)).json()
    (row,) = before["rows"]
    assert (row["volume_name"], row["label_name"], row["one"], row["other"]) == ("a", "liver", "ann", "ben")
    assert row["box_iou"] == pytest.approx(0.5)
    assert row["presence"] == pytest.approx(0.5)
    assert (row["first_difference"], row["last_difference"]) == (1, 1)
    assert (row["slices_both"], row["slices_decided"]) == (2, 4)
    assert (row["masks"], row["mask_dice"]) == ("not compared", None)
    assert (before["tasks_alone"], before["pending"]) == (1, 1)

    for _ in range(2):  # twice is as good as once
        asked = asking.post(_url(place))
        assert (asked.status_code, asked.json()) == (202, {"jobs": 1})
    place.work()
    after = asking.get(_url(place)).json()
    dice = metrics.volume_dice(masks[0] > 0, masks[1] > 0)
    assert after["rows"][0]["masks"] == "compared"
    assert after["rows"][0]["mask_dice"] == pytest.approx(dice)
    assert after["pending"] == 0
    view = agreement_of(after["rows"][0])
    assert (view.label.name, view.one, view.mask_dice) == ("liver", "ann", after["rows"][0]["mask_dice"])
    assert asking.post(_url(place)).json() == {"jobs": 0}
    (label,) = after["labels"]
    assert (label["name"], label["pairs"]) == ("liver", 1)
    assert label["mask_dice"] == {"mean": pytest.approx(dice), "n": 1}
    assert label["range_difference"] == {"mean": 1.0, "n": 1}
    assert [person["name"] for person in after["people"]] == ["ann", "ben"]


def test_what_is_undefined_is_null_and_counts_in_no_mean(place: Place) -> None:
    volume = place.volume("a", None)
    nothing = blob(z=slice(0, 0), x=3)
    for name in ("ann", "ben"):
        _boxed(
            place,
            place.mask(volume, nothing, by=name),
            document_from_tracks(GRID.shape, (), Intervals(((0, 3),))),
        )
    asking = place.server.sign_in(place.people["admin"])
    asking.post(_url(place))
    place.work()
    answer = asking.get(_url(place)).json()
    (row,) = answer["rows"]
    assert row["box_iou"] is row["mask_dice"] is row["first_difference"] is None
    assert (row["presence"], row["masks"]) == (1.0, "compared")
    (label,) = answer["labels"]
    assert label["box_iou"] == label["mask_dice"] == label["range_difference"] == {"mean": None, "n": 0}
    assert label["presence"] == {"mean": 1.0, "n": 1}


def test_annotators_do_not_see_how_far_they_agree(place: Place) -> None:
    for asked in ("get", "post"):
        answer = getattr(place.server.sign_in(place.people["ann"]), asked)(_url(place))
        problem(answer, 403, "not_allowed")
