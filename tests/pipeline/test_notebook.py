"""The worked example in the docs runs as it stands, against a real server with a real worker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crowdmask.accounts.service import create_token, local_operator
from crowdmask.embedded import serving
from crowdmask.infra.settings import Settings
from crowdmask.models import TokenScope
from tests.architecture.checkout import TOP

pytestmark = pytest.mark.slow


def test_every_cell_of_the_worked_example_runs(tmp_path: Path) -> None:
    with serving(Settings.for_folder(tmp_path / "data", port=0)) as platform:
        with platform.database.write() as session:
            made = create_token(
                session, local_operator(session), name="Notebook", scope=TokenScope.WRITE, days=1
            )
        done = subprocess.run(
            [sys.executable, str(TOP / "docs" / "notebook.py")],
            input=f"{platform.settings.base_url}\n{made.token}\n",
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            # Without a terminal the token is read from standard input.
            start_new_session=True,
        )
    assert done.returncode == 0, done.stderr
    dice = re.findall(r"^(.+): Dice (0\.\d+)", done.stdout, flags=re.MULTILINE)
    assert {name for name, _ in dice} == {
        f"{source}, {organ}"
        for source in ("ideal boxes", "crowd, as drawn", "crowd, filled", "phantom")
        for organ in ("spleen", "left kidney")
    }
    found = {name: float(value) for name, value in dice}
    for organ in ("spleen", "left kidney"):
        # The server's masks are those of the library, and gaps cost what filling gives back.
        assert found[f"phantom, {organ}"] == pytest.approx(found[f"ideal boxes, {organ}"], abs=0.005)
        assert found[f"crowd, as drawn, {organ}"] < found[f"crowd, filled, {organ}"] < 1
    assert re.search(r"^datasets: Dataset\d{3}_Notebook$", done.stdout, flags=re.MULTILINE)
    (folder,) = re.findall(r"^everything is in (.+)$", done.stdout, flags=re.MULTILINE)
    assert "Lowest Dice of the volume" in (Path(folder) / "report.html").read_text(encoding="utf-8")
    assert len((Path(folder) / "scores.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert (Path(folder) / "dataset.zip").stat().st_size > 10_000
