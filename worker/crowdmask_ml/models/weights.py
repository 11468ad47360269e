"""Checked weights into a network."""

import pickle  # noqa: TID251 - only the class of the error that torch raises; nothing is unpickled here.
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask_ml.checkpoints import open_checked

Network = TypeVar("Network", bound=torch.nn.Module)


def load_weights(
    build: Callable[[], Network], path: Path, *, sha256: str, model: str, source: str
) -> Network:
    """Build a network and fill it from a checkpoint, every parameter and nothing else; in evaluation mode.

    Nothing is built before the file has passed.

    Raises:
        Unavailable: ``checkpoint_missing``.
        Corrupt: ``checkpoint_mismatch``: another hash, more in it than weights, or weights of another network.
    """
    with open_checked(path, sha256=sha256, model=model, source=source) as stream:
        try:
            state = torch.load(stream, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
            raise Corrupt(
                ErrorCode.CHECKPOINT_MISMATCH,
                f"The file {path} holds something else than weights; it was not loaded.",
                hint=f"Get the official file again from {source}.",
            ) from error
    # Checkpoints written during training keep the weights beside the optimiser's state.
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    network = build()
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise Corrupt(
            ErrorCode.CHECKPOINT_MISMATCH,
            f"The file {path} holds weights that do not fit {model}.",
            hint=f"Get the official file again from {source}.",
        ) from error
    return network.eval()
