"""What the engine makes of boxes, how fast, how sure it is, and how quickly it answers while somebody draws.

``make bench-engine`` runs all four parts on the sample data, this computer alone, and takes about an hour on two cores;
``python bench/engine.py speed`` runs one, and each part has options of its own (``python bench/engine_speed.py --help``).
Prints the tables with their conditions and writes ``build/bench/engine.json``.
"""

import argparse
import json
import sys
from pathlib import Path

import engine_preview
import engine_quality
import engine_speed
import engine_uncertainty

RESULT = Path(__file__).parents[1] / "build" / "bench" / "engine.json"
PARTS = {
    "speed": engine_speed,
    "preview": engine_preview,
    "quality": engine_quality,
    "uncertainty": engine_uncertainty,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is named"
    )
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    # What was measured before stays, part by part.
    document = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    for name in chosen:
        document[name] = PARTS[name].measure()
        print(f"\n{PARTS[name].table(document[name])}")
        RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"written to {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
