"""Jobs: the table is the truth, the broker only a doorbell.

States: queued -> running -> done | dead | cancelled; a failed attempt goes back to queued until ``max_attempts``.
A worker claims a row, renews its lease while it works, and commits its effect in one transaction with the step to
done, which is refused when lease or fence are no longer its own: a job may run twice, its effect happens once.
"""

from crowdmask.jobs.lease import ClaimedJob, claim, complete, fail, heartbeat, release
from crowdmask.jobs.queue import cancel, enqueue, overdue, retry, waits_before
from crowdmask.jobs.reconcile import Reconciled, reconcile, reconcile_forever

__all__ = [
    "ClaimedJob",
    "Reconciled",
    "cancel",
    "claim",
    "complete",
    "enqueue",
    "fail",
    "heartbeat",
    "overdue",
    "reconcile",
    "reconcile_forever",
    "release",
    "retry",
    "waits_before",
]
