"""A worker whose model is missing says so before it takes a job."""

import os
import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE_S


def test_a_worker_for_masks_alone_refuses_to_start_without_its_model(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CROWDMASK_DATA_DIR": str(tmp_path / "data"),
        "CROWDMASK_MODELS": str(tmp_path / "models"),
        "CROWDMASK_MODEL": "medsam",
    }
    command = [sys.executable, "-m", "crowdmask_worker", "--queues", "gpu"]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 2
    assert "The model medsam cannot be used, so no job was taken." in ended.stderr
    assert "medsam_vit_b.pth" in ended.stderr


def test_a_worker_for_trainings_alone_refuses_to_start_without_nnunet(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['nnunetv2'] = None; sys.argv = ['worker', '--queues', 'train']\n"
        "from crowdmask_worker.__main__ import main; main()"
    )
    environment = {**os.environ, "CROWDMASK_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 2
    assert "nnU-Net is not installed, so no training was taken." in ended.stderr
    assert "pip install 'crowdmask[train]'" in ended.stderr
