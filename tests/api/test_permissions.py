"""Who may ask for what, tried for every route of the API and every kind of person (fault 52, docs/faults.md).

The routes and what each asks of its caller are read from the application, so a new route is tried without being named
here; if it takes a path parameter or a body that is new, it has to be added to ``World.places`` or ``bodies``.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import DatasetChoice
from crowdmask.core.ids import new_id
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.training import TrainingSettings
from crowdmask.exports.selection import Selection
from crowdmask.infra.db import now
from crowdmask.models import (
    AccessToken,
    Account,
    DerivedMask,
    Export,
    GuidePicture,
    Invite,
    Job,
    Project,
    ReferenceMask,
    ReferenceOrigin,
    Role,
    Segmentation,
    TokenScope,
    Training,
    TrainingScore,
    TrainingStage,
    TrainingStep,
)
from crowdmask.web.permissions import Permission
from tests import factories
from tests.api.server import AppServer

ANONYMOUS = "anonymous"
INSIDE = ("owner", "annotator", "reviewer", "researcher", "admin")
OUTSIDE = ("stranger", "operator", "other admin")
"""An annotator whose work it is, and another one; somebody in no project, one who runs the installation, and the admin of
another project."""

MAY = {
    Permission.PUBLIC: {ANONYMOUS, *INSIDE, *OUTSIDE},
    Permission.SIGNED_IN: {*INSIDE, *OUTSIDE},
    Permission.OPERATOR: {"operator"},
    Permission.MEMBER: {*INSIDE},
    Permission.WORKS: {"owner", "annotator", "reviewer", "admin"},
    Permission.SEES_ALL: {"reviewer", "researcher", "admin"},
    Permission.EXPORTS: {"researcher", "admin"},
    Permission.REVIEWS: {"reviewer", "admin"},
    Permission.ADMIN: {"admin"},
    Permission.OWN: {"owner"},
    Permission.OWN_OR_SEES_ALL: {"owner", "reviewer", "researcher", "admin"},
    Permission.OWN_OR_ADMIN: {"owner", "admin"},
}
ALSO = {"create_sign_in_link": {"operator"}}
NARROWER = {"get_volume": {"annotator"}, "get_slice": {"annotator"}, "get_preview": {"annotator"}}
"""Members who may not all the same: an annotator sees the volumes that this person has work on."""
ENDLESS = {"stream_events"}
"""Answers that never end; who may hear what is tried in ``tests/api/progress``."""


@dataclass(frozen=True)
class Route:
    """One operation of the API."""

    name: str
    method: str
    path: str
    permission: Permission

    @property
    def may(self) -> set[str]:
        return (MAY[self.permission] | ALSO.get(self.name, set())) - NARROWER.get(self.name, set())

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def routes(server: AppServer) -> list[Route]:
    return [
        Route(operation["operationId"], method.upper(), path, Permission(operation["x-permission"]))
        for path, methods in server.app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


class World:
    """A project in which something of everything is there, and the people who ask for it."""

    def __init__(self, server: AppServer) -> None:
        self._server = server
        self._clients: dict[str, TestClient] = {}
        with server.database.write() as session:
            self.people = {name: factories.add_account(session, name=name) for name in (*INSIDE, *OUTSIDE)}
            self.people["operator"].is_operator = True
            owner, admin = self.people["owner"], self.people["admin"]
            project = factories.add_project(session, admin, labels=("liver", "aorta"))
            self.other_project = factories.add_project(session, self.people["other admin"], name="Other")
            for name, role in (
                ("owner", Role.ANNOTATOR),
                ("annotator", Role.ANNOTATOR),
                ("reviewer", Role.REVIEWER),
                ("researcher", Role.RESEARCHER),
            ):
                factories.add_member(session, project, self.people[name], role=role)
            volume = factories.add_volume(session, project, pack_sha256=server.storage.put_bytes(b"a pack"))
            task = factories.add_task(session, volume, overlap=3)
            assignment = factories.add_assignment(session, task, owner, state=AssignmentState.SUBMITTED)
            annotation = factories.add_annotation(session, assignment, state=AnnotationState.SUBMITTED)
            job = factories.add_job(session)
            job.project_id, job.account_id = project.id, owner.id
            token = AccessToken(
                account_id=owner.id, name="script", token_sha256=new_id().hex * 2, scope=TokenScope.READ
            )
            token.expires_at = now(3600)
            invite = Invite(
                project_id=project.id,
                role=Role.ANNOTATOR,
                token_sha256=new_id().hex * 2,
                created_by=admin.id,
            )
            invite.expires_at = now(3600)
            picture = GuidePicture(
                label_id=factories.label_of(session, project, 1).id,
                picture_sha256=server.storage.put_bytes(b"a picture"),
            )
            segmentation = Segmentation(
                annotation_id=annotation.id,
                revision=0,
                job_id=job.id,
                model="test",
                mask_sha256=server.storage.put_bytes(b"a mask"),
                provenance={},
                seconds=1.0,
                uncertainty_sha256=server.storage.put_bytes(b"a map"),
            )
            derived = DerivedMask(
                key=new_id().hex * 2,
                volume_id=volume.id,
                label_index=1,
                rule="single",
                inputs=[[str(annotation.id), 0]],
                completion=Completion.NONE,
                model="test",
                mask_sha256=segmentation.mask_sha256,
                uncertainty_sha256=segmentation.uncertainty_sha256,
            )
            reference = ReferenceMask(
                volume_id=volume.id,
                source_sha256=server.storage.put_bytes(b"a reference"),
                origin=ReferenceOrigin.EXPERT,
            )
            export = _export(project, admin)
            session.add_all([token, invite, picture, segmentation, derived, reference, export])
            session.flush()
            training, step_job = _training(export), factories.add_job(session)
            session.add(training)
            session.flush()
            step_job.project_id = project.id
            prediction = TrainingScore(
                training_id=training.id,
                case="case",
                volume_id=volume.id,
                label_index=1,
                label_name="liver",
                slices_predicted=1,
                slices_reference=1,
                prediction_sha256=segmentation.mask_sha256,
            )
            session.add(prediction)
            session.add(
                TrainingStep(
                    training_id=training.id, position=0, stage=TrainingStage.PLAN, job_id=step_job.id
                )
            )
            session.flush()
            self.project, self.job = project, job
            self.places: dict[str, Any] = {
                "project_id": project.id,
                "account_id": owner.id,
                "label_index": 1,
                "picture_id": picture.id,
                "invite_id": invite.id,
                "token_id": token.id,
                "volume_id": volume.id,
                "pack_sha256": volume.pack_sha256,
                "z": 0,
                "task_id": task.id,
                "assignment_id": assignment.id,
                "annotation_id": annotation.id,
                "segmentation_id": segmentation.id,
                "derived_mask_id": derived.id,
                "prediction_id": prediction.id,
                "export_id": export.id,
                "part": "card",
                "training_id": training.id,
                "job_id": job.id,
                "plot": "boxes",
            }
            self.bodies: dict[str, Any] = {
                "change_profile": {"name": "New name"},
                "set_password": {"username": "somebody", "password": "a long password"},
                "create_token": {"name": "script"},
                "create_project": {"name": "New", "labels": [{"name": "liver"}]},
                "change_project": {"name": "New name"},
                "add_label": {"name": "spleen"},
                "change_label": {"guide": "Big."},
                "accept_consent": {"version": 1},
                "change_volume": {"patient": "P1"},
                "change_volumes": {"volume_ids": [str(volume.id)], "licence": "CC BY 4.0"},
                "change_member": {"role": "admin"},
                "create_invite": {"role": "admin"},
                "create_tasks": {"volume_ids": [str(volume.id)], "label_indices": [2]},
                "assign": {"task_ids": [str(task.id)], "account_ids": [str(self.people["annotator"].id)]},
                "save": {
                    "volume_sha256": volume.pack_sha256,
                    "operations": [{"op": "mark_absent", "first": 0, "last": 0}],
                },
                "return_annotation": {"comment": "The end is missing.", "slice": 0},
                "create_export": {},
                "create_twin": {},
                "preview_export": {},
                "start_training": {},
                "start_training_pair": {"other": str(export.id)},
                "preview_mask": {"slice": 0, "boxes": [[0, 0, 1, 1]]},
            }

    def ask(self, name: str, route: Route, **places: Any) -> Any:
        """What the person is answered; ``places`` stand for other objects than those of this world."""
        json = self.bodies.get(route.name)
        path = route.path.format(**{**self.places, **places})
        # What some routes need besides; others take no notice.
        wanted = {
            "name": "Volume",
            "origin": "expert",
            "low": "0",
            "high": "1",
            "since": "0",
            "a": "masks",
            "b": "masks",
        }
        taken = {
            one["name"]
            for one in self._operation(route).get("parameters", [])
            if one["in"] == "query" and one.get("required")
        }
        return self._client(name).request(
            route.method,
            path,
            params={key: value for key, value in wanted.items() if key in taken},
            headers={"If-Match": '"0"', "Idempotency-Key": new_id().hex},
            **({"content": b"no file"} if json is None and route.method == "POST" else {"json": json}),
        )

    def _operation(self, route: Route) -> dict[str, Any]:
        found: dict[str, Any] = self._server.app.openapi()["paths"][route.path][route.method.lower()]
        return found

    def _client(self, name: str) -> TestClient:
        if name == ANONYMOUS:
            return self._server.page()
        if name not in self._clients:
            self._clients[name] = self._server.sign_in_by_cookie(self.people[name])
        return self._clients[name]


def _export(project: Project, admin: Account) -> Export:
    name = "Dataset501_test"
    selection = Selection(
        crowdmask="0",
        dataset_name=name,
        project_name=project.name,
        citation="",
        channel_name="CT",
        choice=DatasetChoice(),
        labels=LabelSet.from_names(["liver"]),
        project_labels={"liver": 1},
        ignores=False,
        cases=(),
        left_out=(),
        dropped_labels={},
        folds=(),
        people={},
    )
    return Export(
        project_id=project.id, version=1, name=name, selection=selection.to_json(), created_by=admin.id
    )


def _training(export: Export) -> Training:
    return Training(
        project_id=export.project_id,
        export_id=export.id,
        name="Training",
        settings=TrainingSettings().to_json(),
        created_by=export.created_by,
    )


@pytest.fixture
def world(server: AppServer) -> World:
    return World(server)


def test_every_route_says_what_it_asks_of_its_caller(server: AppServer) -> None:
    assert len(routes(server)) > 70
    documented = {
        (path, method)
        for path, methods in server.app.openapi()["paths"].items()
        for method in methods
        if path.startswith("/api/")
    }
    assert documented == {(route.path, route.method.lower()) for route in routes(server)}


def test_whoever_may_not_is_refused_by_every_route(server: AppServer, world: World) -> None:
    """Members learn that they may not; for everybody else it is not there; who is not signed in has to be."""
    wrong = []
    for route in routes(server):
        for name in sorted({ANONYMOUS, *INSIDE, *OUTSIDE} - route.may):
            answer = world.ask(name, route)
            if name == ANONYMOUS:
                expected = {401}
            elif route.permission is Permission.OPERATOR:
                expected = {403}
            elif name in OUTSIDE or route.permission in (Permission.OWN, Permission.OWN_OR_SEES_ALL):
                expected = {404}
            else:
                expected = {403, 404}
            if answer.status_code not in expected:
                wrong.append(f"{name}: {route.method} {route.path}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_whoever_may_is_not_refused(server: AppServer) -> None:
    """Each route in a world of its own, since many of them change it."""
    wrong = []
    for route in routes(server):
        if route.permission is Permission.PUBLIC or route.name in ENDLESS:
            continue
        world = World(server)
        for name in sorted(route.may) if route.method == "GET" else sorted(route.may)[:1]:
            answer = world.ask(name, route)
            if answer.status_code in (401, 403, 404, 405) or '"internal"' in answer.text:
                wrong.append(f"{name}: {route.method} {route.path}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_an_admin_reaches_nothing_of_another_project_through_their_own(
    server: AppServer, world: World
) -> None:
    """``/projects/{mine}/members/{theirs}``, and theirs named in the body."""
    wrong = []
    for route in routes(server):
        further = [one for one in route.parameters if one not in ("project_id", "label_index", "plot")]
        if "project_id" in route.parameters and (further or route.name in ("create_tasks",)):
            answer = world.ask("other admin", route, project_id=world.other_project.id)
            if answer.status_code != 404:
                wrong.append(f"{route.method} {route.path}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_an_admin_assigns_nothing_of_another_project(server: AppServer, world: World) -> None:
    route = next(route for route in routes(server) if route.name == "assign")
    answer = world.ask("other admin", route, project_id=world.other_project.id)
    assert answer.status_code in (200, 404), answer.text
    if answer.status_code == 200:
        assert answer.json()["assigned"] == 0


def test_a_job_that_belongs_to_no_project_is_nobodys(server: AppServer, world: World) -> None:
    with server.database.write() as session:
        session.get_one(Job, world.job.id).project_id = None
    for route in routes(server):
        if "job_id" in route.parameters:
            assert world.ask("admin", route).status_code == 404
