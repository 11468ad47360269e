"""An exported encoder on ONNX Runtime, float32, on the CPU."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from crowdmask_ml.runtimes.exported import Encoder


def load_encoder(path: Path, *, threads: int) -> tuple[Encoder, str]:
    """The encoder and the name of its precision."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def encode(image: NDArray[np.float32]) -> NDArray[np.float32]:
        (features,) = session.run(None, {"image": image})
        return np.asarray(features, dtype=np.float32)

    return encode, "float32"
