"""Roles, rights and masked numbers."""

import typing

import pytest

from web.rights import RIGHTS, ROLES, Right, Role, masked, rights_of


def test_every_role_has_rights_and_every_right_somebody():
    assert set(ROLES) == set(typing.get_args(Role))
    assert rights_of(ROLES) == set(typing.get_args(Right))
    assert rights_of([]) == frozenset()


@pytest.mark.parametrize("role", ["agent", "quality", "admin"])
def test_who_sees_no_numbers(role):
    assert "numbers.see" not in RIGHTS[role]


def test_rights_add_up():
    assert rights_of(["agent", "leader"]) == RIGHTS["agent"] | RIGHTS["leader"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800138000", "+86138****8000"),
        ("+442079460958", "+4420****0958"),
        ("10086", "***86"),
        ("110", "**10"),
        ("11", "**"),
        ("", "**"),
        (None, None),
    ],
)
def test_masked(number, shown):
    assert masked(number) == shown
