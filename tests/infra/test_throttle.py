"""How often something may be tried (fault 54, docs/faults.md)."""

import socket

import pytest

from crowdmask.core.errors import ErrorCode, TooMany
from crowdmask.infra.throttle import Throttle


def test_tries_are_counted_for_each_thing_and_key() -> None:
    throttle = Throttle()
    for _ in range(3):
        throttle.check("sign_in", "ada", times=3)
    with pytest.raises(TooMany) as caught:
        throttle.check("sign_in", "ada", times=3)
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert 1 <= caught.value.retry_after_s <= 60
    throttle.check("sign_in", "bob", times=3)
    throttle.check("invite", "ada", times=3)


@pytest.mark.redis
def test_server_processes_that_share_a_redis_count_together(redis_url: str) -> None:
    one, other = Throttle(redis_url), Throttle(redis_url)
    one.check("sign_in", "ada", times=2)
    other.check("sign_in", "ada", times=2)
    with pytest.raises(TooMany):
        one.check("sign_in", "ada", times=2)


def test_without_its_redis_each_process_goes_on_counting_for_itself() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        throttle = Throttle(f"redis://127.0.0.1:{nobody_listens.getsockname()[1]}/0")
        throttle.check("sign_in", "ada", times=1)
        with pytest.raises(TooMany):
            throttle.check("sign_in", "ada", times=1)
