"""Roles, rights and masked numbers."""

import typing

import pytest

from web.rights import RIGHTS, ROLES, Right, Role, masked, masked_name, rights_of


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("+8613800138000", "+86138****8000"),
        ("138 0013 8000", "138****8000"),
        ("(0755) 1234-5678", "0755****5678"),
        ("+86.138.0013.8000", "+86138****8000"),
        ("(+86) 138 - 0013 - 8000", "+86138****8000"),
        ("tel:13800138000", "tel:138****8000"),
        ("CN 13800138000", "CN 138****8000"),
        ("138_0013_8000 王芳 021/6234567", "138****8000 王芳 02****4567"),
        ("１３８００１３８０００", "１３８****８０００"),
        ("2079460", "*****60"),
        ("王芳", "王芳"),
        ("Team 7, room 101", "Team 7, room 101"),
        ("ICBC 95588", "ICBC 95588"),
        ("", ""),
        (None, None),
    ],
)
def test_numbers_in_names_are_masked(name, shown):
    assert masked_name(name) == shown
