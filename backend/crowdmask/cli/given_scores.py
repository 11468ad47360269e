"""The paper's tables from files of scores per case that are there, for ``crowdmask reproduce --scores``."""

from collections.abc import Sequence
from pathlib import Path

from crowdmask.console import readable
from crowdmask.core.comparison import SLICES_NOT_INDEPENDENT
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.paper_tables import Arm, PaperTable, complete_rows, paper_table
from crowdmask.core.score_table import read_scores


def tables_of_scores(given: Sequence[str]) -> list[PaperTable]:
    """The paper's tables from files of scores per case, such as those its authors released."""
    titles = {
        "2": "Table 2: volume Dice",
        "3": "Table 3: slice Dice, complete cases (slice_dice_complete_case)",
        "4": "Table 4: nnU-Net trained on all volumes, volume Dice",
        "5": "Table 5: nnU-Net trained on complete volumes, volume Dice",
    }
    files: dict[str, dict[str, Path]] = {}
    for text in given:
        table, _, rest = text.partition(":")
        name, separator, path = rest.partition("=")
        if table not in titles or not name or not separator:
            raise InvalidInput(
                ErrorCode.OPTION_INVALID,
                f"--scores {text} does not name a table, an arm and a file.",
                hint="Write for example 2:SAM=sam.csv; the tables are 2, 3, 4 and 5.",
            )
        files.setdefault(table, {})[name] = readable(Path(path))
    tables = []
    for table, arms_of in sorted(files.items()):
        read = {name: read_scores(path) for name, path in arms_of.items()}
        first = next(iter(read.values()))
        everywhere = set(first.keys).intersection(*(other.keys for other in read.values()))
        keys = [one for one in first.keys if one in everywhere]
        if not keys:
            raise InvalidInput(
                ErrorCode.SCORES_INVALID,
                f"The files of table {table} have no case in common; with a column 'slice' in one, no slice.",
            )
        arms: Sequence[Arm] = [Arm(name, one.of_rows(keys)) for name, one in read.items()]
        note = f"{len(keys)} rows that all files have."
        if table == "3":
            arms = complete_rows(arms)
            rows = len(next(iter(arms[0].columns.values()), ()))
            note = (
                f"{rows} of {len(keys)} slices on which every arm has every label. {SLICES_NOT_INDEPENDENT}"
            )
        tables.append(paper_table(f"given{table}", titles[table], arms, note=note))
    return tables
