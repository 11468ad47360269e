"""The rows that other tests start from."""

from crowdmask.infra.db import Database
from tests import factories


def test_every_factory_makes_a_row_that_the_database_accepts(database: Database) -> None:
    with database.write() as session:
        ada = factories.add_account(session)
        bob = factories.add_account(session, name="Bob")
        project = factories.add_project(session, ada)
        factories.add_member(session, project, bob)
        volume = factories.add_volume(session, project)
        task = factories.add_task(session, volume, label_index=4)
        assignment = factories.add_assignment(session, task, bob)
        annotation = factories.add_annotation(session, assignment)
        job = factories.add_job(session)
        liver = factories.label_of(session, project, 4)
    assert task.label_id == liver.id
    assert annotation.revision == 0
    assert (job.attempt, job.fence, job.cancel_requested) == (0, 0, False)
    lease = assignment.lease_until - assignment.created_at
    assert abs(lease.total_seconds() - 3600) < 60
