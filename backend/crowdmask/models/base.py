"""What all tables share: naming convention, ids, times, enums."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, mapped_column

from crowdmask.core.ids import new_id
from crowdmask.infra.db import UtcDateTime, now

JsonDict = dict[str, Any]

Id = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
CreatedAt = Annotated[datetime, mapped_column(UtcDateTime(), default=now())]
UpdatedAt = Annotated[datetime, mapped_column(UtcDateTime(), default=now(), onupdate=now(), index=True)]
"""Set by every change; the live pages look for rows that are newer than what they have shown."""
Sha256 = Annotated[str, mapped_column(sa.String(64))]
"""Of anything but a file that this row needs: what storage is to keep for a row stands in a ``BlobKey``."""

HOLDS_BLOB_KEYS = "holds_blob_keys"
"""Marks the columns that ``crowdmask.collection`` reads: a file in storage that none of them names is thrown away."""
BlobKey = Annotated[str, mapped_column(sa.String(64), info={HOLDS_BLOB_KEYS: True})]
"""The sha256 under which the storage keeps a file, for as long as the row stands."""
JsonWithBlobKeys = Annotated[
    JsonDict, mapped_column(sa.JSON(none_as_null=True), info={HOLDS_BLOB_KEYS: True})
]
"""A document: every sha256 anywhere in it is a ``BlobKey``."""


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), JsonDict: sa.JSON(none_as_null=True), UUID: sa.Uuid()}  # noqa: RUF012


def enum_column(values: type[StrEnum]) -> sa.Enum:
    """A StrEnum stored as its value, with a CHECK that allows nothing else."""
    return sa.Enum(
        values,
        name=values.__name__.lower(),
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
