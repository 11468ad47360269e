"""The page of trainings: started, failed with its reason while one watches, resumed; curves and a log to look at."""

import re
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from playwright.sync_api import expect

from crowdmask.accounts.actor import Actor
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.infra.db import Database
from crowdmask.models import Account, Training, TrainingStage, TrainingStep
from tests import factories
from tests.browser.admin import PATIENTLY, sign_in
from tests.browser.inspection import Inspection
from tests.browser.platform import RunningPlatform

if TYPE_CHECKING:
    from tests.browser.conftest import OpenPage

SIZES = ({"width": 1440, "height": 900}, {"width": 360, "height": 780})


def test_a_training_is_started_watched_and_resumed(platform: RunningPlatform, open_page: "OpenPage") -> None:
    database = Database(f"sqlite:///{platform.data / 'crowdmask.sqlite3'}")
    with database.write() as session:
        operator = session.scalars(sa.select(Account)).one()
        project = factories.add_project(session, operator)
        volume = factories.add_volume(session, project)
        # Written, by its row; its folder is not there, which is what the training then fails of.
        export = factories.add_export(session, project, test=(volume,), labels=("anterior", "posterior"))
        watched = _trained(session, Actor(operator.id), project.id, export.id)
        project_id = project.id
    page = open_page()
    sign_in(page, platform.admin_link)
    inspection = Inspection()
    page.goto(f"{platform.url}/admin/projects/{project_id}/trainings")
    page.get_by_role("button", name="A quick try on a CPU").click()
    page.get_by_role("button", name="Start the training").click()
    row = page.get_by_role("row", name=re.compile("Dataset501_Test 2d"))
    expect(row).to_contain_text("The dataset Dataset501_Test is gone.", timeout=PATIENTLY)
    expect(row.get_by_role("button", name="Resume Dataset501_Test 2d")).to_be_visible()
    inspection.look(page, "trainings", sizes=SIZES)
    page.get_by_role("link", name="Half way").click()
    expect(page.get_by_role("img", name="Loss, over 30 epochs")).to_be_visible()
    page.get_by_text("The end of what nnU-Net printed").click()
    expect(page.get_by_role("log", name="Log of Train 3d_fullres, fold 0")).to_contain_text("Epoch 29")
    inspection.look(page, "a training", sizes=SIZES)
    inspection.nothing_is_wrong()
    assert str(watched) in page.url
    database.close()


def _trained(session: sa.orm.Session, actor: Actor, project_id: UUID, export_id: UUID) -> UUID:
    """A training that was stopped after thirty epochs of its only fold."""
    training = Training(
        project_id=project_id,
        export_id=export_id,
        name="Half way",
        settings=TrainingSettings(folds=(0,), epochs=60).to_json(),
        created_by=actor.account_id,
    )
    session.add(training)
    session.flush()
    epochs = [
        {
            "number": number,
            "train_loss": 0.8 - number / 40,
            "val_loss": None if number == 3 else 0.9 - number / 50,
            "pseudo_dice": [number / 40, None if number < 5 else number / 60],
            "seconds": 61.5,
        }
        for number in range(30)
    ]
    log = "\n".join(f"2026-01-02 10:{number:02}:00.000000: Epoch {number} " for number in range(30))
    session.add(
        TrainingStep(
            training_id=training.id,
            position=0,
            stage=TrainingStage.TRAIN,
            configuration=Configuration.FULLRES,
            fold=0,
            log=log,
            epochs=epochs,
        )
    )
    session.flush()
    return training.id
