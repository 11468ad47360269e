"""From a network in torch to the files of `exported`: made once per weights, whole or not at all."""

import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput
from crowdmask.core.ids import new_id
from crowdmask_ml.checkpoints import keeping_in
from crowdmask_ml.models.tinyvit import rearranged
from crowdmask_ml.runtimes.exported import DECODER, ENCODER, ExportedModel, open_exported, write_manifest
from crowdmask_ml.runtimes.torch_runtime import Network, TorchSegmenter

_OPSET = 18
# protobuf holds no more; a larger encoder's weights lie in files beside it.
_LARGEST_ONE_FILE = 1_900_000_000


def export_model(
    load: Callable[[], TorchSegmenter],
    folder: Path,
    *,
    model: str,
    model_hash: str,
    largest_one_file: int = _LARGEST_ONE_FILE,
) -> ExportedModel:
    """The files in ``folder``, made when they are not there or damaged. Safe for several processes at once.

    Each process makes its own in a folder beside, and renames it; the first wins and the others use what it made.

    Args:
        load: the model on torch, float32, on the CPU; called only when the files must be made.
        folder: of this model alone.
        model: the registry's name.
        model_hash: sha256 of its weights.
        largest_one_file: bytes of an encoder's weights up to which they lie in its own file.

    Raises:
        InvalidInput: ``option_invalid``: ``folder`` is something else than a folder.
        Unavailable: ``checkpoint_missing``: it cannot be written.
    """
    with suppress(Corrupt):
        found = open_exported(folder, model=model, model_hash=model_hash)
        if found is not None:
            return found
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"The files of {model} cannot be written to {folder}: it is no folder."
        )
    made = folder.with_name(f".{folder.name}.{new_id().hex}.part")
    try:
        with keeping_in(folder.parent):
            made.mkdir()
        segmenter = load()
        with keeping_in(folder.parent):
            _write(segmenter, made, largest_one_file)
            write_manifest(made, model=model, model_hash=model_hash)
            _put(made, folder, model=model, model_hash=model_hash)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    found = open_exported(folder, model=model, model_hash=model_hash)
    assert found is not None
    return found


def _put(made: Path, folder: Path, *, model: str, model_hash: str) -> None:
    """Rename; a damaged folder in the way is moved aside first, a whole one stays."""
    while True:
        try:
            made.rename(folder)
        except OSError:
            # Only an existing folder is a reason to go on.
            if not folder.is_dir():
                raise
        else:
            return
        try:
            if open_exported(folder, model=model, model_hash=model_hash) is not None:
                return
        except Corrupt:
            aside = folder.with_name(f".{folder.name}.{new_id().hex}.damaged")
            with suppress(FileNotFoundError):
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


def _write(segmenter: TorchSegmenter, folder: Path, largest_one_file: int) -> None:
    network = segmenter.network
    encoder = rearranged(network.image_encoder)
    example = torch.zeros(1, 3, segmenter.input_size, segmenter.input_size)
    size = sum(value.numel() * value.element_size() for value in encoder.state_dict().values())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (example,),
            folder / ENCODER,
            input_names=["image"],
            output_names=["features"],
            opset_version=_OPSET,
            dynamo=True,
            external_data=size > largest_one_file,
            verbose=False,
        )
    np.savez(folder / DECODER, allow_pickle=False, **decoder_weights(network))


def decoder_weights(network: Network) -> dict[str, NDArray[np.float32]]:
    """What `FoldedDecoder` is made of, by torch's names."""
    parts = (("prompt_encoder", network.prompt_encoder), ("mask_decoder", network.mask_decoder))
    return {
        f"{part}.{name}": value.float().numpy()
        for part, module in parts
        for name, value in module.state_dict().items()
        # Masks as prompts are not used.
        if not name.startswith("mask_downscaling")
    }
