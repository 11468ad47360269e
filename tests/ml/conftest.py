"""A SAM that is small and random but real: the official classes, its own checkpoint, loaded the usual way."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crowdmask.core.slicepack import write_pack
from crowdmask_ml.models.sam import build_network
from crowdmask_ml.registry import MODELS, ModelSpec, VitArchitecture, vit_loader
from crowdmask_ml.segmenter import Segmenter

SMALL_VIT = VitArchitecture(depth=2, channels=32, heads=2, global_attention=(1,))
SMALL_INPUT = 128


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network(SMALL_VIT, input_size=SMALL_INPUT)
    for parameter in network.parameters():
        # The initial weights hardly let a box change the answer.
        parameter.data += 0.05 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("checkpoints") / "small.pth"
    torch.save(network.state_dict(), path)
    return path


def spec_like(name: str, checkpoint: Path) -> ModelSpec:
    """The registry's model of this name, but with the small encoder and the checkpoint's own hash."""
    return replace(
        MODELS[name],
        loader=vit_loader(SMALL_VIT, checkpoint.name),
        input_size=SMALL_INPUT,
        sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
    )


@pytest.fixture(scope="session")
def small_sam(small_checkpoint: Path) -> Segmenter:
    spec = spec_like("sam-vit-b", small_checkpoint)
    return spec.loader(spec, small_checkpoint)


@pytest.fixture(scope="session")
def small_medsam(small_checkpoint: Path) -> Segmenter:
    spec = spec_like("medsam", small_checkpoint)
    return spec.loader(spec, small_checkpoint)


@pytest.fixture
def pack_path(tmp_path: Path) -> Path:
    """Six slices of 40 x 56 voxels with a bright block on a noisy ground."""
    rng = np.random.default_rng(1)
    voxels = rng.normal(0, 20, (6, 40, 56)).astype(np.int16)
    voxels[:, 10:25, 20:40] += 150
    path = tmp_path / "volume.pack"
    write_pack(path, voxels)
    return path
