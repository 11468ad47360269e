"""Every table, one file per aggregate. A stage reads any table; only its owner writes it."""

from crowdmask.models.account import AccessToken, Account, AuditEvent, BrowserSession, SignInLink, TokenScope
from crowdmask.models.annotation import Annotation, BoxAgreement, OperationBatch
from crowdmask.models.base import Base
from crowdmask.models.evaluation import Evaluation
from crowdmask.models.export import Export
from crowdmask.models.job import Job, JobKind, Queue
from crowdmask.models.project import Consent, GuidePicture, Invite, Label, Membership, Project, Role
from crowdmask.models.segmentation import DerivedMask, MaskAgreement, Segmentation
from crowdmask.models.task import Assignment, Task
from crowdmask.models.training import Training, TrainingScore, TrainingStage, TrainingStep
from crowdmask.models.volume import ReferenceMask, ReferenceOrigin, Volume

__all__ = [
    "AccessToken",
    "Account",
    "Annotation",
    "Assignment",
    "AuditEvent",
    "Base",
    "BoxAgreement",
    "BrowserSession",
    "Consent",
    "DerivedMask",
    "Evaluation",
    "Export",
    "GuidePicture",
    "Invite",
    "Job",
    "JobKind",
    "Label",
    "MaskAgreement",
    "Membership",
    "OperationBatch",
    "Project",
    "Queue",
    "ReferenceMask",
    "ReferenceOrigin",
    "Role",
    "Segmentation",
    "SignInLink",
    "Task",
    "TokenScope",
    "Training",
    "TrainingScore",
    "TrainingStage",
    "TrainingStep",
    "Volume",
]
