"""Projects by the HTTP API: rules, labels, guide, consent."""

import io
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from PIL import Image

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotAllowed
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.models import Account, AuditEvent, Project, Role
from crowdmask.projects.policy import consent_needed, require_consent
from tests import factories
from tests.api.server import AppServer, problem


@dataclass(frozen=True)
class Place:
    server: AppServer
    project_id: UUID
    admin: TestClient
    annotator: TestClient
    annotator_id: UUID

    @property
    def address(self) -> str:
        return f"/api/v1/projects/{self.project_id}"


@pytest.fixture
def place(server: AppServer) -> Place:
    with server.database.write() as session:
        admin, annotator = (factories.add_account(session, name=name) for name in ("Ada", "Ben"))
        project = factories.add_project(session, admin, labels=("liver", "aorta"))
        factories.add_member(session, project, annotator)
    return Place(server, project.id, server.sign_in(admin), server.sign_in(annotator), annotator.id)


def png(size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, "red").save(target, "PNG", **options)
    return target.getvalue()


def test_an_operator_makes_a_project_with_its_guide_and_is_its_admin(server: AppServer) -> None:
    with server.database.write() as session:
        operator = factories.add_account(session)
        operator.is_operator = True
    client = server.sign_in(operator)
    form = {
        "name": " Abdomen ",
        "labels": [{"name": "liver", "guide": "The big one."}, {"name": "aorta"}],
        "overlap": 3,
        "window": {"low": -160, "high": 240},
        "label_heading": "Vessel",
        "consent_text": "I will.",
        "completion": "full",
        "citation": "Roe et al.",
    }
    made = client.post("/api/v1/projects", json=form)
    assert made.status_code == 201
    project = made.json()
    assert (project["name"], project["role"], project["overlap"]) == ("Abdomen", "admin", 3)
    assert project["window"] == {"low": -160.0, "high": 240.0}
    assert [(one["index"], one["name"], one["guide"]) for one in project["labels"]] == [
        (1, "liver", "The big one."),
        (2, "aorta", ""),
    ]
    assert project["consent"] == {"version": 1, "text": "I will.", "accepted": False}
    assert (project["completion"], project["citation"]) == ("full", "Roe et al.")
    assert client.get(f"/api/v1/projects/{project['id']}").json() == project
    assert client.get("/api/v1/me").json()["memberships"][0]["consent_needed"] is True


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"labels": [{"name": "liver"}, {"name": "Liver"}]}, "labels_invalid"),
        ({"labels": []}, "request_invalid"),
        ({"labels": [{"name": "background"}]}, "labels_invalid"),
        ({"window": {"low": 5, "high": 5}}, "window_invalid"),
        ({"name": "\u202eevil"}, "option_invalid"),
        ({"overlap": 0}, "request_invalid"),
        ({"label_heading": "\u200b"}, "option_invalid"),
    ],
)
def test_an_unusable_project_is_refused_and_leaves_nothing(
    server: AppServer, change: dict[str, Any], code: str
) -> None:
    with server.database.write() as session:
        operator = factories.add_account(session)
        operator.is_operator = True
    form = {"name": "Abdomen", "labels": [{"name": "liver"}], **change}
    problem(server.sign_in(operator).post("/api/v1/projects", json=form), 422, code)
    with server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Project)) == 0


def test_a_change_leaves_alone_what_it_does_not_name(place: Place) -> None:
    assert place.admin.patch(place.address, json={"window": {"low": 0, "high": 9}}).status_code == 200
    changed = place.admin.patch(place.address, json={"name": "Thorax", "overlap": 2}).json()
    assert (changed["name"], changed["overlap"], changed["window"]) == (
        "Thorax",
        2,
        {"low": 0.0, "high": 9.0},
    )
    assert place.admin.patch(place.address, json={"window": None}).json()["window"] is None
    assert place.admin.patch(place.address, json={"archived": True}).json()["archived"] is True
    assert place.admin.get("/api/v1/me").json()["memberships"][0]["archived"] is True
    assert place.admin.patch(place.address, json={"archived": False}).json()["archived"] is False
    with place.server.database.read() as session:
        assert list(session.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id))) == [
            *["project_change"] * 3,
            "project_archive",
            "project_reopen",
        ]


def test_the_list_counts_volumes_and_tasks_that_are_complete(place: Place) -> None:
    with place.server.database.write() as session:
        project = session.get_one(Project, place.project_id)
        ben = session.get_one(Account, place.annotator_id)
        done, absent, begun = (
            factories.add_task(session, factories.add_volume(session, project)) for _ in range(3)
        )
        for task, state in ((done, AssignmentState.SUBMITTED), (absent, AssignmentState.SUBMITTED), (begun, AssignmentState.RESERVED)):  # fmt: skip
            assignment = factories.add_assignment(session, task, ben, state=state)
            annotation = factories.add_annotation(session, assignment, state=AnnotationState.SUBMITTED)
            annotation.not_in_volume = task is absent
        other = factories.add_project(session, factories.add_account(session), name="Not theirs")
        factories.add_task(session, factories.add_volume(session, other))
    listed = place.admin.get("/api/v1/projects").json()
    assert [
        (one["name"], one["role"], one["volumes"], one["tasks"], one["tasks_complete"]) for one in listed
    ] == [("Abdomen", "admin", 3, 3, 1)]


def test_labels_are_added_changed_and_deleted_and_an_integer_is_never_given_to_another(place: Place) -> None:
    labels = f"{place.address}/labels"
    added = place.admin.post(labels, json={"name": "spleen", "guide": "Left."})
    assert (added.status_code, added.json()["index"]) == (201, 3)
    problem(place.admin.post(labels, json={"name": "SPLEEN"}), 409, "name_taken")
    changed = place.admin.patch(f"{labels}/3", json={"name": "Spleen"}).json()
    assert (changed["name"], changed["guide"]) == ("Spleen", "Left.")
    assert place.admin.delete(f"{labels}/3").status_code == 204
    problem(place.admin.delete(f"{labels}/3"), 404, "not_found")
    problem(place.admin.patch(f"{labels}/3", json={"guide": "x"}), 404, "not_found")
    problem(place.admin.patch(f"{labels}/1", json={"name": "spleen"}), 409, "name_taken")
    assert [one["index"] for one in place.admin.get(place.address).json()["labels"]] == [1, 2]
    assert place.admin.post(labels, json={"name": "kidney"}).json()["index"] == 4
    again = place.admin.post(labels, json={"name": "spleen"}).json()
    assert (again["index"], again["name"], again["guide"]) == (3, "spleen", "Left.")
    problem(place.annotator.post(labels, json={"name": "heart"}), 403, "not_allowed")


def test_a_picture_is_encoded_anew_as_png_without_its_metadata(place: Place) -> None:
    from PIL.PngImagePlugin import PngInfo

    private = PngInfo()
    private.add_text("Comment", "patient Doe")
    address = f"{place.address}/labels/1/pictures?caption=Here"
    added = place.admin.post(address, content=png((2000, 1000), pnginfo=private))
    assert added.status_code == 201, added.text
    assert added.json()["caption"] == "Here"
    shown = place.annotator.get(added.json()["url"])
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"].startswith("attachment")
    assert shown.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(shown.content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (1600, 800))
        assert picture.info == {}
    assert b"Doe" not in shown.content
    assert place.admin.get(place.address).json()["labels"][0]["pictures"] == [added.json()]
    problem(place.annotator.delete(added.json()["url"]), 403, "not_allowed")
    assert place.admin.delete(added.json()["url"]).status_code == 204
    problem(place.annotator.get(added.json()["url"]), 404, "not_found")


def test_jpeg_and_webp_are_taken_and_a_photograph_is_turned_upright(place: Place) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # turned by a quarter
    for form in ("JPEG", "WEBP"):
        target = io.BytesIO()
        Image.new("RGB", (40, 30)).save(target, form, exif=turned)
        added = place.admin.post(f"{place.address}/labels/1/pictures", content=target.getvalue())
        with Image.open(io.BytesIO(place.admin.get(added.json()["url"]).content)) as picture:
            assert picture.size == (30, 40)


def test_a_guide_takes_eight_pictures_a_label(place: Place) -> None:
    address = f"{place.address}/labels/1/pictures"
    for _ in range(8):
        assert place.admin.post(address, content=png()).status_code == 201
    problem(place.admin.post(address, content=png()), 409, "picture_invalid")
    problem(place.annotator.post(address, content=png()), 403, "not_allowed")
    problem(place.admin.post(f"{place.address}/labels/9/pictures", content=png()), 404, "not_found")


def needs_consent(place: Place) -> bool:
    actor = Actor(place.annotator_id)
    with place.server.database.read() as session:
        needed = consent_needed(session, actor, place.project_id)
        if needed:
            with pytest.raises(NotAllowed) as caught:
                require_consent(session, actor, place.project_id)
            assert caught.value.code is ErrorCode.CONSENT_NEEDED
        else:
            require_consent(session, actor, session.get_one(Project, place.project_id))
    return needed


def test_a_text_is_accepted_in_its_version_and_again_after_it_changed_and_can_be_withdrawn(
    place: Place,
) -> None:
    consent = f"{place.address}/consent"

    def accept(version: int) -> int:
        return place.annotator.put(consent, json={"version": version}).status_code

    assert not needs_consent(place)
    problem(place.annotator.put(consent, json={"version": 1}), 409, "revision_stale")
    place.admin.patch(place.address, json={"consent_text": "I will."})
    assert needs_consent(place)
    assert (accept(1), accept(1)) == (204, 204)
    assert not needs_consent(place)
    place.admin.patch(place.address, json={"consent_text": "I will."})  # the same: no new version
    assert not needs_consent(place)
    place.admin.patch(place.address, json={"consent_text": "I really will."})
    assert needs_consent(place)
    problem(place.annotator.put(consent, json={"version": 1}), 409, "revision_stale")
    assert accept(2) == 204
    assert place.annotator.get(place.address).json()["consent"]["accepted"] is True
    members = place.admin.get(f"{place.address}/members").json()
    assert [(one["name"], one["consent_accepted"]) for one in members] == [("Ada", False), ("Ben", True)]
    assert place.annotator.delete(consent).status_code == 204
    assert place.annotator.delete(consent).status_code == 204
    assert needs_consent(place)
    assert accept(2) == 204
    assert not needs_consent(place)
    place.admin.patch(place.address, json={"consent_text": ""})
    assert place.annotator.get(place.address).json()["consent"] == {
        "version": 0,
        "text": "",
        "accepted": True,
    }
    place.admin.patch(place.address, json={"consent_text": "I will."})  # no old acceptance counts for it
    assert needs_consent(place)


def test_roles_do_not_include_each_other_here_either(place: Place) -> None:
    with place.server.database.write() as session:
        account = factories.add_account(session)
        project = session.get_one(Project, place.project_id)
        factories.add_member(session, project, account, role=Role.REVIEWER)
    reviewer = place.server.sign_in(account)
    assert reviewer.get(place.address).json()["role"] == "reviewer"
    problem(reviewer.patch(place.address, json={"name": "x"}), 403, "not_allowed")
    problem(reviewer.get(f"{place.address}/members"), 403, "not_allowed")


def test_completion_and_citation_are_what_datasets_of_the_project_say(place: Place) -> None:
    told = place.admin.get(place.address).json()
    assert (told["completion"], told["citation"]) == ("none", "")
    changed = place.admin.patch(place.address, json={"completion": "fill", "citation": "Doe et al.\n2020"})
    assert (changed.json()["completion"], changed.json()["citation"]) == ("fill", "Doe et al.\n2020")
    assert place.admin.patch(place.address, json={"overlap": 2}).json()["completion"] == "fill"
    assert place.admin.patch(place.address, json={"citation": ""}).json()["citation"] == ""
    problem(place.admin.patch(place.address, json={"completion": "some"}), 422, "request_invalid")


def test_a_qualification_is_stated_of_a_member_and_taken_back(place: Place) -> None:
    address = f"{place.address}/members/{place.annotator_id}"
    told = place.admin.patch(address, json={"qualification": " medical student, 3rd year "}).json()
    assert (told["qualification"], told["role"]) == ("medical student, 3rd year", "annotator")
    assert (
        place.admin.patch(address, json={"role": "reviewer"}).json()["qualification"] == told["qualification"]
    )
    assert place.admin.patch(address, json={"qualification": " "}).json()["qualification"] == ""
    problem(place.admin.patch(address, json={"qualification": "a\u200bb"}), 422, "option_invalid")
    problem(place.annotator.patch(address, json={"qualification": "professor"}), 403, "not_allowed")
