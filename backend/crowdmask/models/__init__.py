"""Every table, one file per aggregate. A stage reads any table; only its owner writes it."""

from crowdmask.models.account import Account
from crowdmask.models.annotation import Annotation, OperationBatch
from crowdmask.models.base import Base
from crowdmask.models.export import Export
from crowdmask.models.job import Job, JobKind, Queue
from crowdmask.models.project import Label, Membership, Project, Role
from crowdmask.models.segmentation import Segmentation
from crowdmask.models.task import Assignment, Task
from crowdmask.models.volume import ReferenceMask, ReferenceOrigin, Volume

__all__ = [
    "Account",
    "Annotation",
    "Assignment",
    "Base",
    "Export",
    "Job",
    "JobKind",
    "Label",
    "Membership",
    "OperationBatch",
    "Project",
    "Queue",
    "ReferenceMask",
    "ReferenceOrigin",
    "Role",
    "Segmentation",
    "Task",
    "Volume",
]
