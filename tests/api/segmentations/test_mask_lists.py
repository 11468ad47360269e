"""The lists of a project's masks: in pages, filtered, searched."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from crowdmask.client import Client
from crowdmask.core.completion import Completion
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.models import Account, DerivedMask, Project, Role, Segmentation, Task, Volume
from tests import factories
from tests.api.progress.live import serving
from tests.api.server import AppServer, problem

LISTS = ("masks", "derived-masks", "mask-subjects")


@dataclass(frozen=True)
class Place:
    """A project of two labels with people; each mask says in ``model`` what it is."""

    server: AppServer
    people: dict[str, Account]
    project: Project
    volumes: dict[str, Volume] = field(default_factory=dict)
    tasks: dict[tuple[str, int], Task] = field(default_factory=dict)

    def add(self, volume: str, label_index: int = 1, annotator: str = "Ada", *, derived: bool = False) -> str:
        """One more mask, of submitted work or asked for by a dataset; what its ``model`` says."""
        name = f"{volume} {label_index} {annotator}"
        with self.server.database.write() as session:
            if volume not in self.volumes:
                self.volumes[volume] = factories.add_volume(session, self.project, name=volume)
            key = volume, label_index
            if key not in self.tasks:
                self.tasks[key] = factories.add_task(session, self.volumes[volume], label_index=label_index)
            assignment = factories.add_assignment(
                session,
                self.tasks[key],
                self.people[annotator],
                slot=list(self.people).index(annotator),
                state=AssignmentState.EXPIRED if derived else AssignmentState.SUBMITTED,
            )
            annotation = factories.add_annotation(session, assignment, state=AnnotationState.SUBMITTED)
            made: dict[str, Any] = {
                "job_id": factories.add_job(session).id,
                "model": name[-100:],
                "mask_sha256": "0" * 64,
                "provenance": {"slices": [{"slice": 3, "sources": ["drawn"], "confirmed": [True]}]},
                "seconds": 1.0,
            }
            if derived:
                session.add(
                    DerivedMask(
                        key=new_id().hex * 2,
                        volume_id=self.volumes[volume].id,
                        label_index=label_index,
                        rule="median",
                        inputs=[[str(annotation.id), 0]],
                        completion=Completion.NONE,
                        **made,
                    )
                )
            else:
                session.add(Segmentation(annotation_id=annotation.id, revision=0, **made))
        return name

    def get(self, list_: str, **query: Any) -> httpx.Response:
        client = self.server.sign_in(self.people["rev"])
        return client.get(f"/api/v1/projects/{self.project.id}/{list_}", params=query)

    def pages(self, list_: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
        """Each is asked for when it is its turn."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(list_, **query, **cursor).json()
            yield page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def names(self, list_: str, **query: Any) -> list[str]:
        return [name(one) for page in self.pages(list_, **query) for one in page]


def name(one: dict[str, Any]) -> str:
    if "segmentation" in one:
        assert one["segmentation"]["drawn"] == 1
        return str(one["segmentation"]["model"])
    return str(one["model"]) if "model" in one else f"{one['volume_name']} {one['label_index']}"


@pytest.fixture
def place(server: AppServer) -> Place:
    roles = {"Ada": Role.ANNOTATOR, "Östen": Role.ANNOTATOR, "rev": Role.REVIEWER, "res": Role.RESEARCHER}
    with server.database.write() as session:
        people = {name: factories.add_account(session, name=name) for name in ("admin", "stranger", *roles)}
        project = factories.add_project(session, people["admin"], labels=("left kidney", "liver"))
        for name_, role in roles.items():
            factories.add_member(session, project, people[name_], role=role)
        elsewhere = factories.add_project(session, people["stranger"], name="Other")
        factories.add_volume(session, elsewhere, name="elsewhere")
    return Place(server, people, project)


@pytest.mark.parametrize("derived", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_every_mask_is_on_one_page_also_when_new_ones_are_made_between(
    place: Place, limit: int, derived: bool
) -> None:
    list_ = "derived-masks" if derived else "masks"
    there = [
        place.add(volume, label, annotator, derived=derived)
        for volume in ("CT 2", "CT 1", "CT 10")
        for label, annotator in ((2, "Ada"), (1, "Ada"), (1, "Östen"))
    ]
    late = iter(("CT 9", "CT 0", "CT 11"))
    found: list[str] = []
    for page in place.pages(list_, limit=limit):
        assert len(page) <= limit
        found += [name(one) for one in page]
        if (volume := next(late, None)) is not None:
            place.add(volume, 2, "Östen", derived=derived)
    assert len(found) == len(set(found))
    assert [one for one in found if one in there] == [
        f"{volume} {label} {annotator}"
        for volume in ("CT 1", "CT 10", "CT 2")
        for label, annotator in ((1, "Ada"), (1, "Östen"), (2, "Ada"))
    ]


@pytest.mark.parametrize("derived", [False, True])
def test_the_lists_are_filtered_by_volume_and_label(place: Place, derived: bool) -> None:
    list_ = "derived-masks" if derived else "masks"
    for volume in ("CT 1", "CT 2"):
        for label in (1, 2):
            place.add(volume, label, derived=derived)
    of_one = {"volume_id": place.volumes["CT 2"].id}
    assert place.names(list_, limit=1, **of_one) == ["CT 2 1 Ada", "CT 2 2 Ada"]
    assert place.names(list_, label_index=2, **of_one) == ["CT 2 2 Ada"]
    assert len(place.names(list_, label_index=[1, 2])) == 4
    assert place.names(list_, volume_id=new_id()) == []


@pytest.mark.parametrize("derived", [False, True])
def test_the_search_finds_scans_organs_and_people_on_all_pages(place: Place, derived: bool) -> None:
    list_ = "derived-masks" if derived else "masks"
    for volume in ("CT 1", "Änne_%"):
        for label, annotator in ((1, "Ada"), (2, "Östen")):
            place.add(volume, label, annotator, derived=derived)

    def found(search: str) -> list[str]:
        return place.names(list_, limit=1, search=search)

    assert found("LIVER") == ["CT 1 2 Östen", "Änne_% 2 Östen"]
    assert found(" östen ") == ["CT 1 2 Östen", "Änne_% 2 Östen"]
    assert found("ct 1 liver ö") == ["CT 1 2 Östen"], "as the row reads"
    assert found("änne") == ["Änne_% 1 Ada", "Änne_% 2 Östen"]
    assert found("_%") == found("änne"), "no wildcards"
    assert found("nobody") == []
    assert len(found("")) == 4


def test_a_search_that_no_name_can_hold_is_refused_or_finds_nothing(place: Place) -> None:
    place.add("CT 1")
    place.add("CT 2", derived=True)
    for list_ in ("masks", "derived-masks", "progress"):
        answer = place.get(list_, search="\0")
        assert answer.status_code == 422 or answer.json()["items"] == [], answer.text
    problem(place.get("masks", search="a" * 201), 422, "request_invalid")


@pytest.mark.parametrize("label_index", [-1, 0, 256, 2**40, 2**70])
def test_a_number_that_no_label_can_have_is_refused(place: Place, label_index: int) -> None:
    for list_ in ("masks", "derived-masks", "progress"):
        problem(place.get(list_, label_index=label_index), 422, "request_invalid")


def test_the_subjects_are_what_there_are_masks_of_each_once(place: Place) -> None:
    place.add("CT 2", 1, "Ada")
    place.add("CT 2", 1, "Östen")
    place.add("CT 2", 2, "Östen", derived=True)
    place.add("CT 1", 2, "Ada", derived=True)
    with place.server.database.write() as session:
        untouched = factories.add_volume(session, place.project, name="CT 0")
        factories.add_task(session, untouched)
    assert place.names("mask-subjects", limit=1) == ["CT 1 2", "CT 2 1", "CT 2 2"]
    (first,) = place.get("mask-subjects", limit=1).json()["items"]
    assert (first["volume_id"], first["label_name"]) == (str(place.volumes["CT 1"].id), "liver")


def test_long_names_of_any_letters_have_cursors_that_are_taken(place: Place) -> None:
    for letter in ("é", "\U0001f9e0", '"', "\\"):
        place.add(letter * 200, 1, "Ada")
        place.add(letter * 200, 2, "Ada", derived=True)
    for list_, n in (("masks", 4), ("derived-masks", 4), ("mask-subjects", 8), ("volumes", 4)):
        assert sum(len(page) for page in place.pages(list_, limit=1)) == n, list_


def test_a_cursor_that_somebody_made_up_is_refused(place: Place) -> None:
    id_, other = str(new_id()), {"a": 1}
    made_up: list[object] = [
        "CT 1",
        7,
        other,
        None,
        [],
        ["CT 1", 1],
        ["CT 1", 1, id_, id_],
        ["CT 1", 1, "no id"],
        ["CT 1", 1, 5],
        ["CT 1", 2**70, id_],
        ["CT 1", 1.5, id_],
        ["CT 1", True, other],
        ["\0", 1, id_],
        ["\ud800", 1, id_],
        [other, 1, id_],
        [float("nan"), 1, id_],
    ]
    texts = ["", "nonsense", "[", "[" * 1490, *(json.dumps(one) for one in made_up)]
    for text in texts:
        cursor = base64.urlsafe_b64encode(text.encode()).decode()
        for list_ in ("masks", "derived-masks", "progress"):
            problem(place.get(list_, cursor=cursor), 422, "request_invalid")
    for list_ in LISTS:
        problem(place.get(list_, cursor="é"), 422, "request_invalid")


def test_the_lists_are_for_who_sees_all_whatever_they_are_asked_for(place: Place) -> None:
    """Fault 52."""
    place.add("CT 1", 1)
    place.add("CT 1", 2, derived=True)
    with place.server.database.write() as session:
        other = factories.add_project(session, place.people["stranger"], name="Other")
    clients = {who: place.server.sign_in(place.people[who]) for who in ("res", "Ada", "stranger")}
    for list_ in LISTS:
        path = f"/api/v1/projects/{place.project.id}/{list_}"
        for volume in place.volumes.values():
            query = {"volume_id": str(volume.id)}
            assert clients["res"].get(path, params=query).json()["items"]
            problem(clients["Ada"].get(path, params=query), 403, "not_allowed")
            problem(clients["stranger"].get(path, params=query), 404, "not_found")
            # A project of one's own tells nothing of another's volumes.
            own = clients["stranger"].get(f"/api/v1/projects/{other.id}/{list_}", params=query)
            assert own.json()["items"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_python_client_gives_the_masks_of_all_pages(place: Place) -> None:
    for number in range(52):  # two pages of 100
        for label in (1, 2):
            place.add(f"CT {number:02}", label)
    place.add("CT 07", 1, "Östen", derived=True)
    token = place.server.token(place.people["res"])
    with serving(place.server) as live, Client(live.address, token) as client:
        found = client.masks(place.project.id)
    people = [(one.volume_name, one.label.index) for one in found if one.kind == "person"]
    assert people == [(f"CT {number:02}", label) for number in range(52) for label in (1, 2)]
    assert [(one.kind, one.by) for one in found[104:]] == [("dataset", "median of Östen")]
