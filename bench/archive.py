"""Whether a large dataset's download grows the server: 100 volumes of 200 MB, streamed as a zip from the start and from the
middle.

``python bench/archive.py`` (``--volumes``, ``--megabytes``). The files are sparse, so they take no room on the disk; reading
and summing them takes as long as for others in the page cache. Memory is the process's peak beyond what it had before.
Prints its table with the conditions and writes ``build/bench/archive.json``.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from conditions import conditions

from crowdmask.exports import archive as exports_archive
from crowdmask.exports.archive import FolderArchive

RESULT = Path(__file__).parents[1] / "build" / "bench" / "archive.json"


def _streamed(archive: FolderArchive, first: int) -> dict[str, float]:
    """Peak of Python's own memory and of the whole process while the rest from ``first`` on is given away."""
    exports_archive._crc32_of.cache_clear()  # as after a start of the server
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    start = time.perf_counter()
    first_s = 0.0
    given = 0
    for piece in archive.pieces(first, archive.size):
        first_s = first_s or time.perf_counter() - start
        given += len(piece)
    took = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert given == archive.size - first
    return {
        "gigabytes": given / 1e9,
        "first_byte_s": first_s,
        "seconds": took,
        "python_peak_mb": peak / 1e6,
        "process_growth_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volumes", type=int, default=100)
    parser.add_argument("--megabytes", type=int, default=200)
    options = parser.parse_args()
    known = conditions()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "Dataset001_Large"
        for part, size in (("imagesTr", options.megabytes * 10**6), ("labelsTr", 10**5)):
            (folder / part).mkdir(parents=True)
            for number in range(options.volumes):
                with (folder / part / f"case_{number:04d}.nii.gz").open("wb") as file:
                    file.truncate(size)
        archive = FolderArchive.of(folder)
        rows = {
            "from the start": _streamed(archive, 0),
            "from the middle": _streamed(archive, archive.size // 2),
            "the last kilobyte": _streamed(archive, archive.size - 1000),
        }
    print(
        f"{'part':20} {'GB':>7} {'first byte, s':>14} {'all, s':>8} {'Python peak, MB':>16} {'process grew, MB':>17}"
    )
    for name, row in rows.items():
        print(
            f"{name:20} {row['gigabytes']:7.2f} {row['first_byte_s']:14.2f} {row['seconds']:8.1f} "
            f"{row['python_peak_mb']:16.1f} {row['process_growth_mb']:17.1f}"
        )
    print(json.dumps(known), file=sys.stderr)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"conditions": known, "volumes": options.volumes, "parts": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
