"""States and the only steps between them."""

from itertools import product

import pytest

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.lifecycle import (
    ANNOTATION_STEPS,
    ASSIGNMENT_STEPS,
    JOB_STEPS,
    VOLUME_STEPS,
    AnnotationState,
    AssignmentState,
    JobState,
    VolumeState,
    step,
)

ALL = [
    (VolumeState, VOLUME_STEPS),
    (AssignmentState, ASSIGNMENT_STEPS),
    (AnnotationState, ANNOTATION_STEPS),
    (JobState, JOB_STEPS),
]


@pytest.mark.parametrize(("states", "steps"), ALL)
def test_every_state_says_where_it_can_go(states, steps):
    assert set(steps) == set(states)


@pytest.mark.parametrize(("states", "steps"), ALL)
def test_exactly_the_listed_steps_are_allowed(states, steps):
    for current, target in product(states, states):
        if target in steps[current]:
            assert step(steps, current, target) is target
        else:
            with pytest.raises(Conflict) as refused:
                step(steps, current, target)
            assert refused.value.code is ErrorCode.TRANSITION_INVALID
            assert current.value in str(refused.value)
            assert target.value in str(refused.value)


def test_an_accepted_annotation_stays_accepted_unless_it_is_sent_back():
    assert ANNOTATION_STEPS[AnnotationState.ACCEPTED] == {AnnotationState.RETURNED}


def test_an_expired_assignment_can_be_renewed():
    assert AssignmentState.RESERVED in ASSIGNMENT_STEPS[AssignmentState.EXPIRED]


def test_a_dead_job_can_be_tried_again():
    assert step(JOB_STEPS, JobState.DEAD, JobState.QUEUED) is JobState.QUEUED
