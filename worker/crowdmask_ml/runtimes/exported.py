"""A model in files that need no torch: the encoder as ONNX, the decoder's weights as npz. Found, checked, and run."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask_ml.checkpoints import models_folder
from crowdmask_ml.preprocessing import InputFrame, Preprocessing
from crowdmask_ml.runtimes.folded import FoldedDecoder
from crowdmask_ml.runtimes.upscaling import UPSCALING
from crowdmask_ml.segmenter import Embeddings, MaskRule, Prediction

# Part of the folder's name: raised when other files are made of the same weights.
FORMAT = 2
ENCODER = "encoder.onnx"
DECODER = "decoder.npz"
MANIFEST = "manifest.json"
FOLDED = "folded"

# float32 (1, 3, n, n) -> float32 (1, channels, rows, columns)
Encoder = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ExportedModel:
    """A folder whose files are what their manifest says.

    Attributes:
        folder: holds ``encoder.onnx`` (and, above 2 GB, its data), ``decoder.npz`` and ``manifest.json``.
        model: the registry's name.
        model_hash: sha256 of the weights that it was made from.
    """

    folder: Path
    model: str
    model_hash: str

    @property
    def encoder(self) -> Path:
        return self.folder / ENCODER

    def decoder(self) -> FoldedDecoder:
        with np.load(self.folder / DECODER, allow_pickle=False) as weights:
            return FoldedDecoder(dict(weights))


def usual_folder(model_hash: str) -> Path:
    """Where the files made from these weights are looked for."""
    return models_folder() / "exported" / f"{model_hash[:16]}-v{FORMAT}"


def open_exported(folder: Path, *, model: str, model_hash: str) -> ExportedModel | None:
    """None when there is no such folder.

    Raises:
        Corrupt: ``checkpoint_mismatch``: made from other weights, or a file is missing or not what was made.
    """
    if not folder.is_dir():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {str(name): str(sha256) for name, sha256 in manifest["files"].items()}
        fits = manifest["format"] == FORMAT and manifest["model_hash"] == model_hash
        damaged = [name for name, sha256 in files.items() if _sha256(folder / name) != sha256]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, model, "it cannot be read") from error
    if not fits:
        raise _damaged(folder, model, "it was made from other weights or by another version")
    if damaged or not {ENCODER, DECODER} <= files.keys():
        raise _damaged(folder, model, f"{', '.join(damaged) or 'a file'} is not what was made")
    return ExportedModel(folder, model, model_hash)


def write_manifest(folder: Path, *, model: str, model_hash: str) -> None:
    """Last of all files: a folder without it is not whole."""
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    manifest = {"format": FORMAT, "model": model, "model_hash": model_hash, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, eq=False)
class ExportedSegmenter:
    """A `Segmenter` of an exported encoder and the folded decoder."""

    name: str
    model_hash: str
    input_size: int
    preprocessing: Preprocessing
    mask_rule: MaskRule
    encoder: Encoder
    decoder: FoldedDecoder
    runtime: str
    # One slice at a time: on a CPU batches are not faster, and so a slice's result never depends on which other
    # slices were asked for with it.
    batch_size: int = 1

    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        rows, columns = images.shape[1:]
        frame = InputFrame((rows, columns), self.input_size, self.preprocessing)
        features = [self.encoder(image[np.newaxis]) for image in frame.prepare(images)]
        return Embeddings(np.concatenate(features), frame.size)

    def decode(self, embedding: Embeddings, boxes: NDArray[np.float64]) -> Prediction:
        """Logits are computed around each box; elsewhere they are `OUTSIDE` (crowdmask_ml.preprocessing)."""
        frame = InputFrame(embedding.size, self.input_size, self.preprocessing)
        features = np.ascontiguousarray(embedding.features[0])
        regions = self.decoder.decode(
            features, frame.prompts(boxes), input_size=self.input_size, mask_rule=self.mask_rule
        )
        logits = np.empty((len(regions), *embedding.size), np.float32)
        n = UPSCALING * features.shape[1]
        for on_slice, region in zip(logits, regions, strict=True):
            frame.region_on_slice(region.values, region.first_row, region.first_column, n, out=on_slice)
        return Prediction(logits, np.array([region.predicted_iou for region in regions], np.float32))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _damaged(folder: Path, model: str, what: str) -> Corrupt:
    return Corrupt(
        ErrorCode.CHECKPOINT_MISMATCH,
        f"The exported files of {model} in {folder} cannot be used: {what}.",
        hint=f"Make them again: crowdmask-ml models export {model}.",
    )
