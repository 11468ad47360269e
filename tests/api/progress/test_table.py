"""The table volumes x labels, the people, the jobs, and the table as CSV."""

import csv
import io

import sqlalchemy as sa

from crowdmask.annotations.policy import ClientTimes
from crowdmask.annotations.queries import completeness_of, document_of
from crowdmask.core.completeness import completeness
from crowdmask.core.lifecycle import JobState, VolumeState
from crowdmask.core.operations import MarkAbsent
from crowdmask.infra.db import Database
from crowdmask.models import Account, Annotation, BoxAgreement, DerivedMask, Job, JobKind, Project, Volume
from tests import factories, studies
from tests.api.server import AppServer, problem


def test_the_table_pages_filters_and_names_holes_and_ends(server: AppServer, database: Database) -> None:
    study = studies.make_study(database, tasks=4, shape=(8, 32, 48))
    (ada,) = study.annotators
    with database.write() as session:
        for n, volume in enumerate(session.scalars(sa.select(Volume).order_by(Volume.created_at))):
            volume.name = f"CT {n}"
    holes = studies.begin(database, study, ada)
    studies.save(database, holes, studies.piece("a", 0), studies.piece("b", 7), revision=0)
    with database.write() as session:
        session.get_one(studies.Assignment, holes.assignment_id).state = "submitted"
    ends = studies.begin(database, study, ada)
    studies.save(database, ends, studies.piece("a", 3), revision=0)
    admin = server.sign_in(study.admin)
    address = f"/api/v1/projects/{study.project_id}/progress"
    first = admin.get(address, params={"limit": 3}).json()
    assert [row["volume_name"] for row in first["items"]] == ["CT 0", "CT 1", "CT 2"]
    rest = admin.get(address, params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert ([row["volume_name"] for row in rest["items"]], rest["next_cursor"]) == (["CT 3"], None)
    person = first["items"][0]["people"][0]
    assert (person["holes"], person["unverified_ends"], person["share"]) == ([[1, 6]], [], 0.25)

    def names(**filters: object) -> list[str]:
        return [row["volume_name"] for row in admin.get(address, params=filters).json()["items"]]

    def check_all() -> None:
        assert names(show="holes") == ["CT 0"]
        assert names(show="ends") == ["CT 1"]

    check_all()
    assert names(show="complete") == ["CT 0"]
    assert names(show="open") == ["CT 1", "CT 2", "CT 3"]
    assert names(show="untouched", search="ct 3") == ["CT 3"]
    assert names(account_id=str(ada.account_id)) == ["CT 0", "CT 1"]
    assert names(label_index=2) == []
    problem(admin.get(address, params={"cursor": "bm9uc2Vuc2U="}), 422, "request_invalid")
    problem(server.sign_in(ada).get(address), 403, "not_allowed")
    with database.write() as session:  # as an earlier version left it
        session.execute(sa.update(Annotation).values(completeness=None))
    check_all()


def test_stored_completeness_is_what_the_document_gives(server: AppServer, database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    for revision, operation in enumerate(
        (studies.piece("a", 1), studies.piece("b", 3), MarkAbsent(0, 1), MarkAbsent(0, 3))
    ):
        studies.save(database, work, operation, revision=revision)
        with database.read() as session:
            annotation = session.get_one(Annotation, work.annotation_id)
            assert annotation.completeness is not None
            assert completeness_of(annotation) == completeness(document_of(annotation))


def test_summary_and_people_count_what_was_done(server: AppServer, database: Database) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    work = studies.begin(database, study, study.annotators[0])
    answer = studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=answer.revision)
    other = studies.begin(database, study, study.annotators[0])
    for revision, (began, sent) in enumerate(((0, 30_000), (40_000, 60_000), (3_600_000, 3_600_000))):
        times = ClientTimes(began, sent)
        studies.save(database, other, MarkAbsent(0, 1), revision=revision, client_times=times)
    with database.write() as session:
        project = session.get_one(Project, study.project_id)
        factories.add_volume(session, project, name="refused", state=VolumeState.QUARANTINED)
    admin = server.sign_in(study.admin)
    address = f"/api/v1/projects/{study.project_id}/progress"
    assert admin.get(f"{address}/summary").json() == {
        "volumes": 2,
        "tasks": 2,
        "tasks_complete": 1,
        "share": 0.75,
        "reserved": 1,
        "masks": 0,
    }
    by_name = {person["name"]: person for person in admin.get(f"{address}/people").json()}
    ada = by_name["Annotator 0"]
    counts = (ada["reserved"], ada["submitted"], ada["late"], ada["slices_decided"], ada["boxes_drawn"])
    assert counts == (1, 1, 0, 6, 2)
    assert ada["active_minutes"] == 1.0  # 30 s, 10 s between, 20 s; the hour's break is idle
    assert by_name["Annotator 1"]["active_minutes"] == 0


def test_a_name_that_looks_like_a_formula_is_only_text_in_the_csv(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, tasks=2)
    (ada,) = study.annotators
    with database.write() as session:
        session.get_one(Account, ada.account_id).name = "=cmd|'/C calc'!A0"
        for volume in session.scalars(sa.select(Volume)):
            volume.name = f"@{volume.name}"
    studies.begin(database, study, ada)
    answer = server.sign_in(study.admin).get(f"/api/v1/projects/{study.project_id}/progress.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 2
    assert all(row["volume"].startswith("'@") for row in rows)
    assert {row["person"] for row in rows} == {"'=cmd|'/C calc'!A0", ""}


def test_jobs_are_named_in_words_paged_retried_and_cancelled_by_an_admin(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    work = studies.begin(database, study, ada)
    studies.answer_absent(database, work)
    with database.write() as session:
        volume = session.scalars(sa.select(Volume)).one()
        volume.name = "CT 3"
        reading = factories.add_job(session, payload={"volume_id": str(volume.id)})
        reading.project_id = study.project_id
        elsewhere = factories.add_job(session)
        wish = DerivedMask(
            key="0" * 64,
            volume_id=volume.id,
            label_index=1,
            rule="single",
            inputs=[[str(work.annotation_id), 1]],
            completion="full",
            model="litemedsam",
        )
        session.add(wish)
        session.flush()
        suggestion = factories.add_job(
            session, kind=JobKind.SEGMENT, payload={"derived_mask_id": str(wish.id)}
        )
        suggestion.project_id = study.project_id
    admin = server.sign_in(study.admin)
    address = f"/api/v1/projects/{study.project_id}/jobs"
    first = admin.get(address, params={"limit": 2}).json()
    assert {job["subject"] for job in first["items"]} == {"Reading: CT 3", "Mask: liver in CT 3"}
    rest = admin.get(address, params={"limit": 1, "cursor": first["next_cursor"]}).json()
    (mask,) = rest["items"]
    assert (mask["subject"], rest["next_cursor"]) == ("Mask: liver in CT 3 (Annotator 0)", None)
    cancelled = admin.post(f"/api/v1/jobs/{mask['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert len(admin.get(address, params={"state": "cancelled"}).json()["items"]) == 1
    assert admin.post(f"/api/v1/jobs/{mask['id']}/retry").json()["state"] == "queued"
    problem(admin.post(f"/api/v1/jobs/{mask['id']}/retry"), 409, "transition_invalid")
    for job_id in (elsewhere.id, work.annotation_id):
        problem(admin.post(f"/api/v1/jobs/{job_id}/cancel"), 404, "not_found")
    problem(server.sign_in(ada).post(f"/api/v1/jobs/{mask['id']}/cancel"), 404, "not_found")
    problem(server.sign_in(ada).get(address), 403, "not_allowed")
    with database.read() as session:
        assert session.get_one(Job, elsewhere.id).state is JobState.QUEUED


def test_the_table_has_the_agreement_of_people_and_finds_those_who_agree_least(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=2, tasks=3, overlap=2)
    with database.write() as session:
        for n, volume in enumerate(session.scalars(sa.select(Volume).order_by(Volume.created_at))):
            volume.name = f"CT {n}"
    _, second = study.annotators
    for differs in (True, False):
        for annotator in study.annotators:
            work = studies.begin(database, study, annotator)
            boxes = (studies.piece("a", 1, 2), MarkAbsent(0, 0), MarkAbsent(3, 3))
            said = (MarkAbsent(0, 3),) if differs and annotator is second else boxes
            answer = studies.save(database, work, *said, revision=0)
            studies.submit(database, work, revision=answer.revision)
    admin = server.sign_in(study.admin)
    address = f"/api/v1/projects/{study.project_id}/progress"

    def found(**filters: object) -> list[tuple[str, object]]:
        rows = admin.get(address, params=filters).json()["items"]
        return [(row["volume_name"], row["agreement"]) for row in rows]

    def check_all() -> None:
        apart, alike = {"lowest": 0.0, "pairs": 1}, {"lowest": 1.0, "pairs": 1}
        assert found() == [("CT 0", apart), ("CT 1", alike), ("CT 2", None)]
        assert found(agreement_at_most=0.7) == [("CT 0", apart)]
        assert found(agreement_at_most=1) == [("CT 0", apart), ("CT 1", alike)]

    check_all()
    rows = csv.DictReader(io.StringIO(admin.get(f"{address}.csv").text))
    assert [(row["volume"], row["boxes_alike_lowest"]) for row in rows] == [
        ("CT 0", "0.000"),
        ("CT 0", "0.000"),
        ("CT 1", "1.000"),
        ("CT 1", "1.000"),
        ("CT 2", ""),
    ]
    problem(admin.get(address, params={"agreement_at_most": 2}), 422, "request_invalid")
    with database.write() as session:  # as work of the version before, of which nothing was kept
        session.execute(sa.delete(BoxAgreement))
    check_all()
