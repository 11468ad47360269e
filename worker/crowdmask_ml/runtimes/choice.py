"""Which runtime computes a model on this computer. Imports none of them, except torch where there may be a GPU."""

import os
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from crowdmask.core.errors import ErrorCode, InvalidInput, Unavailable

# What the drivers of NVIDIA, of NVIDIA under WSL, and of AMD make: without one of them torch has no GPU.
_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))


class Runtime(StrEnum):
    """What people type. ``auto`` is the fastest that is installed."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"
    ONNX = "onnx"


# The package of each and the extra that brings it.
_PACKAGES = {
    Runtime.TORCH: ("torch", "ml"),
    Runtime.OPENVINO: ("openvino", "cpu"),
    Runtime.ONNX: ("onnxruntime", "cpu"),
}


def choose_runtime(asked: str = Runtime.AUTO) -> Runtime:
    """The runtime to use: torch on a GPU, else OpenVINO, else ONNX Runtime, else torch on the CPU.

    Raises:
        InvalidInput: ``option_invalid``.
        Unavailable: ``checkpoint_missing``: the one asked for, or every one, is not installed.
    """
    try:
        runtime = Runtime(asked)
    except ValueError:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"There is no runtime called {asked!r}.",
            hint=f"Choose one of {', '.join(Runtime)}.",
        ) from None
    if runtime is Runtime.AUTO:
        if has_gpu():
            return Runtime.TORCH
        for candidate in (Runtime.OPENVINO, Runtime.ONNX, Runtime.TORCH):
            if is_installed(candidate):
                return candidate
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            "Nothing that can compute a model is installed: no openvino, no onnxruntime, no torch.",
            hint="Install one of the extras: pip install 'crowdmask[ml]' or 'crowdmask[cpu]'.",
        )
    if not is_installed(runtime):
        package, extra = _PACKAGES[runtime]
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            f"The runtime {runtime} needs the package {package}, which is not installed.",
            hint=f"Install the extra (pip install 'crowdmask[{extra}]') or choose the runtime auto.",
        )
    return runtime


def is_installed(runtime: Runtime) -> bool:
    return find_spec(_PACKAGES[runtime][0]) is not None


def has_gpu() -> bool:
    """Whether torch can compute on a GPU here. Imports torch only where there may be one: it takes seconds."""
    if not is_installed(Runtime.TORCH):
        return False
    if sys.platform == "linux" and not any(device.exists() for device in _GPU_DEVICES):
        return False
    from crowdmask_ml.runtimes.torch_runtime import cuda_is_available

    return cuda_is_available()


def threads_per_process() -> int:
    """``OMP_NUM_THREADS``, else 1: several processes with one thread each do more than one with several."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else 1
