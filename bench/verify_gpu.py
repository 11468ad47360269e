"""Run every model whose weights are here on every runtime of this computer, against plain torch on its CPU.

For people with a GPU and the published weights: five minutes. What cannot be run here is listed with the reason. A
generated slice of 512 x 512 pixels with four organs is segmented by each; of each row the table says how well its masks
agree with the reference (Dice), how far its predicted IoU is off, how long an encoding and a box take, and the peak of
memory.

    make verify-gpu        (python bench/verify_gpu.py [--models litemedsam,sam-vit-b] [--json FILE])
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from conditions import conditions
from numpy.typing import NDArray

from crowdmask.core.errors import CrowdmaskError
from crowdmask.core.metrics import volume_dice
from crowdmask.core.phantom import LIVER, PHANTOM_LABELS, abdominal_phantom
from crowdmask.core.volume import display_slice
from crowdmask.core.windowing import Window, apply_window
from crowdmask_ml.loading import load_segmenter, verify_checkpoint
from crowdmask_ml.registry import MODELS
from crowdmask_ml.runtimes.choice import Runtime, has_gpu, is_installed
from crowdmask_ml.segmenter import Prediction, Segmenter

RESULT = Path(__file__).parents[1] / "build" / "bench" / "verify_gpu.json"
# What bfloat16 may change. The reference is float32.
LEAST_DICE = 0.98
REPEATS = 5


def measure(names: list[str]) -> dict[str, Any]:
    """A row for each model and device, run or not."""
    gpu = has_gpu()
    rows = [row for name in names for row in _rows(name, gpu)]
    return {"conditions": conditions("torch", "numpy") | {"gpu": _gpu_name() if gpu else None}, "rows": rows}


def _rows(name: str, gpu: bool) -> list[dict[str, Any]]:
    devices = ["torch on the CPU", "torch on the GPU", "OpenVINO", "ONNX Runtime"]
    try:
        verify_checkpoint(MODELS[name])
    except CrowdmaskError as error:
        return [_not_run(name, device, str(error)) for device in devices]
    images, boxes = _task()
    reference = _reference(name)
    expected, first = _run(reference, images, boxes)
    rows = [_row(name, devices[0], first, expected, expected)]
    if gpu:
        import torch

        torch.cuda.reset_peak_memory_stats()
        found, taken = _run(load_segmenter(name, runtime=Runtime.TORCH), images, boxes)
        taken["peak_gpu_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
        rows.append(_row(name, devices[1], taken, expected, found))
    else:
        rows.append(_not_run(name, devices[1], "There is no GPU that torch can use."))
    for runtime, device in ((Runtime.OPENVINO, devices[2]), (Runtime.ONNX, devices[3])):
        if not is_installed(runtime):
            rows.append(_not_run(name, device, "Its package is not installed."))
            continue
        found, taken = _run(load_segmenter(name, runtime=runtime), images, boxes)
        rows.append(_row(name, device, taken, expected, found))
    return rows


def _reference(name: str) -> Segmenter:
    """Plain torch, also where there is a GPU."""
    spec = MODELS[name]
    return spec.loader(spec, None)


def _task() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Two slices uint8 ``(2, 512, 512)`` of the phantom, and boxes ``(k, 4)`` around the organs of the first."""
    phantom = abdominal_phantom(np.random.default_rng(0))
    z = int(np.argmax((phantom.labels == LIVER).sum(axis=(1, 2))))
    shown = apply_window(phantom.voxels, Window(-160, 240))
    scale = -(-512 // max(shown.shape[1:]))

    def enlarged(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        large = np.kron(plane, np.ones((scale, scale), np.uint8))[:512, :512]
        padding = [(0, 512 - n) for n in large.shape]
        return np.asarray(np.pad(large, padding), dtype=np.uint8)

    labels = enlarged(display_slice(phantom.labels, z))
    boxes = []
    for label in PHANTOM_LABELS.labels:
        rows, columns = np.nonzero(labels == label.index)
        if rows.size:
            boxes.append([columns.min() - 3, rows.min() - 3, columns.max() + 4, rows.max() + 4])
    images = np.stack([enlarged(display_slice(shown, z)), enlarged(display_slice(shown, z + 3))])
    return images, np.clip(np.array(boxes, dtype=np.float64), 0, 512)


def _run(
    segmenter: Segmenter, images: NDArray[np.uint8], boxes: NDArray[np.float64]
) -> tuple[Prediction, dict[str, Any]]:
    """What it makes of the boxes, and how long it takes: a full batch of slices, all boxes of one slice."""
    batch = np.resize(images, (segmenter.batch_size, *images.shape[1:]))
    embedding = next(iter(segmenter.encode(images)))
    prediction = segmenter.decode(embedding, boxes)
    encode = _median_ms(lambda: segmenter.encode(batch)) / len(batch)
    decode = _median_ms(lambda: segmenter.decode(embedding, boxes)) / len(boxes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return prediction, {
        "runtime": segmenter.runtime,
        "encode_ms_per_slice": round(encode, 1),
        "decode_ms_per_box": round(decode, 1),
        "peak_process_mb": round(peak / 1e6),
    }


def _median_ms(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken))


def _row(
    name: str, device: str, taken: dict[str, Any], expected: Prediction, found: Prediction
) -> dict[str, Any]:
    alike = [
        volume_dice(one[np.newaxis] > 0, other[np.newaxis] > 0)
        for one, other in zip(found.logits, expected.logits, strict=True)
    ]
    off = np.abs(found.predicted_iou - expected.predicted_iou).max()
    least = float(np.nanmin(alike))
    return {
        "model": name,
        "device": device,
        "run": True,
        "ok": least >= LEAST_DICE,
        "dice_least": round(least, 4),
        "predicted_iou_off": round(float(off), 5),
        **taken,
    }


def _not_run(name: str, device: str, reason: str) -> dict[str, Any]:
    return {"model": name, "device": device, "run": False, "reason": reason}


def _gpu_name() -> str:
    import torch

    return str(torch.cuda.get_device_name())


def table(result: dict[str, Any]) -> str:
    """The rows of `measure` as Markdown."""
    lines = [
        f"GPU: {result['conditions']['gpu'] or 'none'}",
        "",
        "| Model | Device | Result | Dice with the reference, least | Predicted IoU off by | Encode, ms a slice | Decode, ms a box | Peak, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        if not row["run"]:
            lines.append(f"| {row['model']} | {row['device']} | not run: {row['reason']} | | | | | |")
            continue
        verdict = "as the reference" if row["ok"] else f"DIFFERS (least Dice under {LEAST_DICE})"
        peak = f"{row['peak_process_mb']}" + (f", GPU {row['peak_gpu_mb']}" if "peak_gpu_mb" in row else "")
        lines.append(
            f"| {row['model']} | {row['device']} ({row['runtime']}) | {verdict} | {row['dice_least']} | "
            f"{row['predicted_iou_off']} | {row['encode_ms_per_slice']} | {row['decode_ms_per_box']} | {peak} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default=",".join(MODELS), help="names, separated by commas")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the result is written")
    arguments = parser.parse_args()
    result = measure(arguments.models.split(","))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(result))
    if not all(row["ok"] for row in result["rows"] if row["run"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
