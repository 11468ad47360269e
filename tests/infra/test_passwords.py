"""Passwords are compared in the same time whether the account exists or not."""

from crowdmask.infra.passwords import DECOY, Passwords


def test_a_password_matches_what_was_stored_of_it_and_nothing_else() -> None:
    passwords = Passwords()
    stored = passwords.hash("four quiet herons wade")
    assert passwords.matches("four quiet herons wade", stored)
    assert not passwords.matches("four quiet herons wade ", stored)
    assert not passwords.matches("four quiet herons wade", None)


def test_the_decoy_costs_what_a_real_comparison_costs_and_opens_nothing() -> None:
    made_today = Passwords().hash("anything")
    assert DECOY.split("$")[1:4] == made_today.split("$")[1:4]
    assert not Passwords().matches("no account has this password", None)
