"""A handler that does what its payload says; its effect is a row, without any constraint, so that doubling shows."""

import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.core.errors import ErrorCode, InvalidInput, Unavailable
from crowdmask_worker.context import Effect, JobContext

results = sa.Table(
    "test_result", sa.MetaData(), sa.Column("job_id", sa.Uuid()), sa.Column("attempt", sa.Integer())
)

_STEPS = 20
_STEP_S = 0.05


def handle(context: JobContext) -> Effect:
    payload = context.job.payload
    match payload.get("do", "work"):
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            sys.exit("a library that ends the process")
        case "refuse":
            raise InvalidInput(ErrorCode.NOT_NIFTI, "The file is not a NIfTI file.", hint="Send another.")
        case "stumble":
            raise ZeroDivisionError("/home/ada/patient-4711.nii.gz")
        case "wait":
            raise Unavailable(ErrorCode.STORAGE_FULL, "The disk is full.", hint="Free some space.")
        case "ignore the heartbeat":
            _work(payload, report=lambda share: None)
        case "break the effect":
            return _broken_effect(context)
        case "work":
            _work(payload, report=context.report)
    return lambda session: add_result(session, context)


def _work(payload: dict[str, Any], *, report: Callable[[float], None]) -> None:
    """For ``seconds``, or until there is a file ``until``."""
    if "until" in payload:
        until = Path(payload["until"])
        for step in count(1):
            if until.exists():
                break
            time.sleep(_STEP_S)
            report(1 - 1 / (step + 1))
    for step in range(_STEPS):
        time.sleep(payload.get("seconds", 0.0) / _STEPS)
        report((step + 1) / _STEPS)


def add_result(session: Session, context: JobContext) -> None:
    session.execute(results.insert().values(job_id=context.job.id, attempt=context.job.attempt))


def _broken_effect(context: JobContext) -> Effect:
    def effect(session: Session) -> None:
        add_result(session, context)
        raise LookupError("after the row was written")

    return effect
