"""An exported encoder on OpenVINO, on the CPU."""

from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import properties
from openvino.properties import hint

from crowdmask_ml.runtimes.exported import Encoder


def load_encoder(path: Path, *, threads: int, may_round: bool = True) -> tuple[Encoder, str]:
    """The encoder and the name of its precision: bfloat16 where the CPU computes it and it ``may_round``, else float32."""
    core = openvino.Core()
    rounds = may_round and "BF16" in core.get_property("CPU", properties.device.capabilities)
    precision = openvino.Type.bf16 if rounds else openvino.Type.f32
    compiled = core.compile_model(
        path,
        "CPU",
        {
            hint.inference_precision: precision,
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            properties.inference_num_threads: threads,
        },
    )
    request = compiled.create_infer_request()

    def encode(image: NDArray[np.float32]) -> NDArray[np.float32]:
        request.infer([image], share_inputs=True)
        # A copy: the next call writes into the same memory.
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)

    return encode, "bfloat16" if rounds else "float32"
