"""What was accepted but is worth saying: shown to the admin and kept with the volume."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Notice:
    """One remark about a file.

    Attributes:
        code: stable identifier for programs, for example ``oblique``.
        text: one sentence for people, with the values.
    """

    code: str
    text: str

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text}

    @classmethod
    def from_json(cls, document: Mapping[str, str]) -> Self:
        return cls(code=document["code"], text=document["text"])
