"""The import contracts hold, and each of them bites when it is broken on purpose."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import PACKAGES, TOP, pyproject

CONTRACTS = {
    contract["id"]: contract["name"] for contract in pyproject()["tool"]["importlinter"]["contracts"]
}

# contract, package whose new module breaks it, what that module says
VIOLATIONS = [
    ("layers", "crowdmask/volumes", "import crowdmask.assignments"),
    ("layers", "crowdmask/jobs", "import crowdmask.volumes"),
    ("layers", "crowdmask/core", "import crowdmask.infra"),
    ("layers", "crowdmask/models", "import crowdmask.jobs"),
    ("layers", "crowdmask/surprise", ""),
    ("layers", "crowdmask/web", "import crowdmask.accounts"),
    ("layers", "crowdmask/segmentations", "import crowdmask.evaluations"),
    ("layers", "crowdmask/exports", "import crowdmask.app"),
    ("core-is-pure", "crowdmask/core", "import sqlalchemy"),
    ("core-is-pure", "crowdmask/core", "def load():\n    import torch\n"),
    ("library-needs-no-server", "crowdmask_ml", "import crowdmask.infra"),
    ("library-needs-no-server", "crowdmask_ml", "import pydantic"),
    ("server-without-models", "crowdmask/segmentations", "import crowdmask_ml"),
    ("server-without-models", "crowdmask/jobs", "import crowdmask_worker"),
    ("server-without-models", "crowdmask/cli", "import crowdmask_ml.segment"),
    ("model-libraries", "crowdmask_worker/handlers", "def handle():\n    import torch\n"),
    ("model-libraries", "crowdmask_ml", "from segment_anything import sam_model_registry"),
    ("model-libraries", "crowdmask_ml", "import openvino"),
    ("broker-in-its-place", "crowdmask/jobs", "from celery import Celery"),
    ("broker-in-its-place", "crowdmask_worker/handlers", "import kombu"),
    ("services-know-no-http", "crowdmask/accounts", "from fastapi import Request"),
    ("services-know-no-http", "crowdmask_worker", "import httpx"),
]


def _lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the contracts of ``folder``'s pyproject.toml on the packages in ``folder``."""
    sources = os.pathsep.join(str(folder / root) for root in ("backend", "worker"))
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": sources, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied_sources(tmp_path: Path) -> Path:
    for name, folder in PACKAGES.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(folder, tmp_path / folder.parent.name / name, ignore=ignored)
    shutil.copy(TOP / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_contract_holds() -> None:
    result = _lint(TOP)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in result.stdout


@pytest.mark.parametrize(("contract", "package", "text"), VIOLATIONS)
def test_an_import_that_breaks_a_contract_is_caught(
    contract: str, package: str, text: str, copied_sources: Path
) -> None:
    root = "backend" if package.split("/")[0] == "crowdmask" else "worker"
    folder = copied_sources / root / package
    if not folder.exists():
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    (folder / "violation.py").write_text(text + "\n", encoding="utf-8")

    result = _lint(copied_sources, "--contract", contract)

    said = " ".join(result.stdout.split())
    assert result.returncode == 1, said
    # An undeclared package is reported before the contract is judged; everything else by the contract's name.
    assert f"{CONTRACTS[contract]} BROKEN" in said or "surprise" in said, said


def test_the_copied_sources_without_a_violation_pass(copied_sources: Path) -> None:
    result = _lint(copied_sources)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_contract_is_broken_on_purpose_above() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)
