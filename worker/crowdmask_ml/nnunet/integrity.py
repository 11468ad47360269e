"""nnU-Net's own check of a raw dataset, ``verify_dataset_integrity``.

``crowdmask.core.nnunet`` applies the same rules without nnU-Net; this one is the judge that users meet next.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask_ml.nnunet.command import one_process_is_a_thread

_REFUSED = 3
_LONGEST_TEXT = 300


def verify_integrity(folder: Path) -> bool:
    """Check a folder ``DatasetXXX_Name`` in a process of its own: nnU-Net prints and loads torch.

    Returns:
        Whether nnU-Net is installed and has found the dataset good; False when it is not installed.

    Raises:
        InvalidInput: ``dataset_invalid``, with what nnU-Net said.
        RuntimeError: the check itself broke down.
    """
    if importlib.util.find_spec("nnunetv2") is None:
        return False
    child = subprocess.run(
        [sys.executable, "-m", "crowdmask_ml.nnunet.integrity", str(folder.resolve())],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if child.returncode == _REFUSED:
        said = " ".join(child.stdout.replace(f"{folder.resolve()}/", "").split())[-_LONGEST_TEXT:]
        raise InvalidInput(
            ErrorCode.DATASET_INVALID, f"nnU-Net's integrity check refuses {folder.name}: {said}"
        )
    if child.returncode != 0:
        raise RuntimeError(f"nnU-Net's integrity check ended with {child.returncode}: {child.stderr[-2000:]}")
    return True


def main() -> None:
    """The child: what nnU-Net raises becomes its last line, and an exit code that no accident has."""
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    one_process_is_a_thread()
    try:
        verify_dataset_integrity(sys.argv[1], num_processes=1)
    except (AssertionError, RuntimeError, OSError) as error:
        sys.stdout.write(f"\n{error}\n")
        sys.exit(_REFUSED)


if __name__ == "__main__":
    main()
