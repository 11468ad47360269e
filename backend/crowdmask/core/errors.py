"""What can go wrong, said once: a stable code for programs, one sentence with the values for people, a hint what to do.

The class says who has to act (and, later, which HTTP status it becomes); the code says what exactly happened.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """Stable, documented in ``docs/errors.md`` (a test keeps the two equal). Never rename one that was released."""

    # Files (faults 1-18, docs/faults.md)
    FILE_EMPTY = "file_empty"
    NOT_NIFTI = "not_nifti"
    NIFTI_TRUNCATED = "nifti_truncated"
    NIFTI_CORRUPT = "nifti_corrupt"
    NIFTI_HEADER_INVALID = "nifti_header_invalid"
    FILE_TOO_LARGE = "file_too_large"
    DIMENSIONS_INVALID = "dimensions_invalid"
    UNSUPPORTED_DTYPE = "unsupported_dtype"
    VOLUME_INDEX_NEEDED = "volume_index_needed"
    SPACING_INVALID = "spacing_invalid"
    ORIENTATION_UNKNOWN = "orientation_unknown"
    ORIENTATION_INVALID = "orientation_invalid"
    ORIENTATION_CONFLICT = "orientation_conflict"
    NOT_FINITE = "not_finite"
    GRID_MISMATCH = "grid_mismatch"
    LABEL_VALUES_INVALID = "label_values_invalid"
    SLICE_AXIS_UNSUPPORTED = "slice_axis_unsupported"
    SLICE_PACK_CORRUPT = "slice_pack_corrupt"
    BOXES_FILE_INVALID = "boxes_file_invalid"
    LABELS_INVALID = "labels_invalid"
    LABEL_UNKNOWN = "label_unknown"
    WINDOW_INVALID = "window_invalid"
    NAME_TAKEN = "name_taken"
    # Annotation (faults 23-35)
    BOX_INVALID = "box_invalid"
    SLICE_OUT_OF_RANGE = "slice_out_of_range"
    TRACK_UNKNOWN = "track_unknown"
    OPERATION_INVALID = "operation_invalid"
    REVISION_STALE = "revision_stale"
    REVISION_MISSING = "revision_missing"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    VOLUME_MISMATCH = "volume_mismatch"
    NOT_OPEN = "not_open"
    NOT_COMPLETE = "not_complete"
    TRANSITION_INVALID = "transition_invalid"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    # Requests and accounts (faults 52-65)
    REQUEST_INVALID = "request_invalid"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    RANGE_INVALID = "range_invalid"
    NOT_SIGNED_IN = "not_signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    LINK_INVALID = "link_invalid"
    PASSWORD_WEAK = "password_weak"
    ORIGIN_REFUSED = "origin_refused"
    RATE_LIMITED = "rate_limited"
    CONSENT_NEEDED = "consent_needed"
    IN_USE = "in_use"
    PICTURE_INVALID = "picture_invalid"
    PUBLIC_URL_NEEDED = "public_url_needed"
    SERVER_UNREACHABLE = "server_unreachable"
    # Jobs and infrastructure (faults 36-51)
    LEASE_LOST = "lease_lost"
    JOB_CANCELLED = "job_cancelled"
    WORKER_LOST = "worker_lost"
    JOB_FAILED = "job_failed"
    BLOB_MISSING = "blob_missing"
    BLOB_CORRUPT = "blob_corrupt"
    STORAGE_FULL = "storage_full"
    STORAGE_UNREACHABLE = "storage_unreachable"
    DATA_FOLDER_IN_USE = "data_folder_in_use"
    DATABASE_NEWER = "database_newer"
    DATABASE_OLDER = "database_older"
    DATABASE_CORRUPT = "database_corrupt"
    DATABASE_BUSY = "database_busy"
    DATABASE_UNREACHABLE = "database_unreachable"
    SECRET_INVALID = "secret_invalid"
    # Models
    MODEL_UNKNOWN = "model_unknown"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CHECKPOINT_MISMATCH = "checkpoint_mismatch"
    PREVIEW_UNAVAILABLE = "preview_unavailable"
    # Training
    NNUNET_MISSING = "nnunet_missing"
    TRAINING_FAILED = "training_failed"
    # Export
    EXPORT_EMPTY = "export_empty"
    REFERENCE_CHANGED = "reference_changed"
    DATASET_INVALID = "dataset_invalid"
    SCORES_INVALID = "scores_invalid"
    OPTION_INVALID = "option_invalid"
    INTERNAL = "internal"


class CrowdmaskError(Exception):
    """Base of all errors a caller can act on.

    Attributes:
        code: stable identifier of what happened.
        message: one sentence with the values.
        hint: one sentence that says what to do; may be empty.
    """

    def __init__(self, code: ErrorCode, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def members(self) -> Mapping[str, Any]:
        """What else the caller needs to go on, as JSON; nothing for most errors."""
        return {}


class InvalidInput(CrowdmaskError):
    """What was sent cannot be used as it is; sending it again changes nothing."""


class Conflict(CrowdmaskError):
    """What was sent is fine, but does not fit what is stored."""


class Stale(Conflict):
    """The caller has seen an older revision than the stored one."""


class PreconditionMissing(CrowdmaskError):
    """The caller did not say which revision the change is for."""


class NotFound(CrowdmaskError):
    """There is no such thing, or the actor may not see it."""


class NotAllowed(CrowdmaskError):
    """The actor may see it but not do this."""


class NotSignedIn(CrowdmaskError):
    """It is not known who asks."""


class TooMany(CrowdmaskError):
    """Asked too often; again after ``retry_after_s`` seconds."""

    def __init__(self, code: ErrorCode, message: str, *, hint: str = "", retry_after_s: int) -> None:
        super().__init__(code, message, hint=hint)
        self.retry_after_s = retry_after_s


class Unavailable(CrowdmaskError):
    """Try again later: something that is needed is busy, full or not ready."""


class Corrupt(CrowdmaskError):
    """What was stored is missing or no longer what it was."""
