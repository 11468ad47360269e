"""Bells as files in one folder: kombu's file system transport, with messages that appear and vanish whole.

The original writes a message under its final name, so a reader may find half of it and stop working, and takes one
through the system's temporary folder, where two readers may get in each other's way. Here both steps are one rename.
"""

import os
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

from crowdmask.core.ids import new_id


class Channel(filesystem.Channel):
    # kombu's two base classes disagree about the second name; it always comes by position.
    def _put(self, queue: str, message: Any, **_: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        folder.mkdir(parents=True, exist_ok=True)  # somebody may have wiped it
        name = new_id()  # sorts by time
        temporary = folder / f"{name}.part"
        temporary.write_text(dumps(message), encoding="utf-8")
        temporary.rename(folder / f"{name}.{queue}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002
        folder = Path(self.data_folder_in)
        for name in sorted(_names(folder)):
            if not name.endswith(f".{queue}.msg"):
                continue
            taken = folder / f"{name}.{new_id()}.taken"
            try:
                (folder / name).rename(taken)
                text = taken.read_text(encoding="utf-8")
                taken.unlink()
            except FileNotFoundError:  # another reader was faster, or the folder was wiped
                continue
            return loads(text)
        raise Empty

    def _size(self, queue: str) -> int:
        return sum(name.endswith(f".{queue}.msg") for name in _names(Path(self.data_folder_in)))


class Transport(filesystem.Transport):
    Channel = Channel


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
