"""Slots, states and the order of tasks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crowdmask.core.distribution import free_slot, next_task_key, slots_needed, task_progress
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.lifecycle import TaskState


@pytest.mark.parametrize(
    ("overlap", "absence_answers", "needed"), [(1, 0, 1), (3, 0, 3), (1, 1, 2), (3, 1, 4), (3, 3, 4)]
)
def test_an_answer_of_absence_opens_one_extra_slot_whatever_the_overlap(overlap, absence_answers, needed):
    assert slots_needed(overlap, absence_answers) == needed


@pytest.mark.parametrize(("overlap", "absence_answers"), [(0, 0), (-1, 0), (1, -1)])
def test_an_impossible_count_is_refused(overlap, absence_answers):
    with pytest.raises(InvalidInput) as refused:
        slots_needed(overlap, absence_answers)
    assert refused.value.code is ErrorCode.OPTION_INVALID


def test_the_lowest_free_slot_is_given_first():
    assert free_slot(3, []) == 0
    assert free_slot(3, [0, 2]) == 1


def test_no_slot_is_free_when_all_are_held():
    assert free_slot(2, [0, 1]) is None
    assert free_slot(2, [0, 1, 2]) is None


def test_a_task_is_complete_with_as_many_submitted_as_needed():
    begun = task_progress(overlap=2, submitted=1, absence_answers=0, archived=False)
    assert (begun.state, begun.submitted, begun.needed, begun.missing) == (TaskState.OPEN, 1, 2, 1)
    done = task_progress(overlap=2, submitted=2, absence_answers=0, archived=False)
    assert (done.state, done.missing) == (TaskState.COMPLETE, 0)


def test_an_answer_of_absence_opens_a_complete_task_again():
    progress = task_progress(overlap=1, submitted=1, absence_answers=1, archived=False)
    assert (progress.state, progress.missing) == (TaskState.OPEN, 1)


def test_more_than_needed_is_still_complete():
    progress = task_progress(overlap=1, submitted=3, absence_answers=0, archived=False)
    assert (progress.state, progress.missing) == (TaskState.COMPLETE, 0)


def test_an_archived_task_stays_archived():
    assert task_progress(overlap=1, submitted=1, absence_answers=0, archived=True).state is TaskState.ARCHIVED


def test_tasks_come_by_priority_then_nearest_to_complete_then_oldest():
    start = datetime(2025, 1, 1, tzinfo=UTC)

    def key(n: int, priority: int, missing: int, days: int) -> tuple[object, ...]:
        return next_task_key(
            priority=priority, missing=missing, created_at=start + timedelta(days=days), task_id=UUID(int=n)
        )

    expected = [key(1, 0, 3, 9), key(2, 1, 1, 5), key(3, 1, 2, 0), key(4, 1, 2, 1), key(5, 1, 2, 1)]
    assert sorted([expected[n] for n in (3, 0, 4, 2, 1)]) == expected
