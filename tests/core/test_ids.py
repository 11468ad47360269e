"""Identifiers and the clock."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from uuid import RFC_4122

from crowdmask.core.clock import utc_now
from crowdmask.core.ids import new_id


def test_an_id_is_a_uuid_of_version_7():
    made = new_id()
    assert made.version == 7
    assert made.variant == RFC_4122


def test_an_id_says_when_it_was_made():
    before = time.time_ns() // 1_000_000
    stamp = new_id().int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_ids_rise_in_the_order_they_were_made_also_within_a_millisecond():
    made = [new_id() for _ in range(10_000)]
    assert made[-1].int >> 80 < (made[0].int >> 80) + 10_000, "several of them share a millisecond"
    assert made == sorted(set(made))
    assert [str(one) for one in made] == sorted(str(one) for one in made)


def test_threads_are_never_given_the_same_moment():
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: new_id().int >> 64, range(5_000)))
    assert len(set(made)) == 5_000


def test_ids_of_one_moment_differ():
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_the_clock_is_in_utc():
    assert utc_now().tzinfo is UTC
    assert utc_now().utcoffset() == timedelta(0)
