"""People."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.models.base import Base, CreatedAt, Id


class Account(Base):
    """A person (or a simulated annotator) who acts."""

    __tablename__ = "account"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]
