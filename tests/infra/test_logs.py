"""Logs go to standard error and keep people and patients out."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from crowdmask.infra.logs import set_up_logs
set_up_logs(log_format="{format}", level="INFO")
log = structlog.get_logger("crowdmask.test")
log.info("volume_received", volume_id="0192", filename="Meier^Hans.nii.gz", boxes=[[1, 2, 3, 4]])
log.debug("not_shown")
logging.getLogger("celery").warning("from a library")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("job_failed", job_id="0193")
"""


def run(log_format: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(format=log_format)], capture_output=True, text=True, check=True
    )


def test_each_event_is_one_line_of_json_on_standard_error() -> None:
    done = run("json")
    assert done.stdout == ""
    first, library, failure = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["event"], first["level"], first["volume_id"]) == ("volume_received", "info", "0192")
    assert first["timestamp"].endswith("Z")
    assert library["event"] == "from a library"
    assert "ZeroDivisionError" in failure["exception"]


def test_names_and_boxes_are_withheld_in_both_formats() -> None:
    for log_format in ("json", "console"):
        said = run(log_format).stderr
        assert "0192" in said
        assert "Meier" not in said
        assert "[1, 2, 3, 4]" not in said
        assert "not_shown" not in said
