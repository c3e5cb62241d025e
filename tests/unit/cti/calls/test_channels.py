import pytest

from cti.calls.channels import endpoint_of, is_helper, local_pair


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("PJSIP/8001-0000002a", "8001"),
        ("PJSIP/carrier-east-0000002a", "carrier-east"),
        ("SIP/8001-000001", "8001"),
        ("IAX2/office-4711", "office"),
        ("DAHDI/1-1", "1"),
        ("DAHDI/i1/8001-2", "i1/8001"),
        ("PJSIP/8001", "8001"),
        ("PJSIP/", ""),
    ],
)
def test_the_endpoint_stands_between_technology_and_last_dash(name, endpoint):
    assert endpoint_of(name) == endpoint


@pytest.mark.parametrize(
    "name",
    [
        "Local/8001@agents-00000001;1",
        "Local/8001@agents-00000001;2",
        "Message/ast_msg_queue",
        "CBAnn/conf-00000001;1",
        "Announcer/ARI-0000001;2",
        "AsyncGoto/PJSIP/8001-1",
        "PJSIP/8001-1<ZOMBIE>",
        "PJSIP/8001-1<MASQ>",
        "nonsense",
        "",
    ],
)
def test_channels_that_asterisk_makes_for_itself_are_helpers(name):
    assert is_helper(name)


@pytest.mark.parametrize("name", ["PJSIP/8001-1", "SIP/a-1", "DAHDI/1-1", "Khomp/B0C1-0.0"])
def test_channels_with_a_party_are_no_helpers(name):
    assert not is_helper(name)


def test_the_halves_of_a_local_channel_know_their_pair():
    assert local_pair("Local/8001@agents-00000001;1") == ("Local/8001@agents-00000001", 0)
    assert local_pair("Local/8001@agents-00000001;2") == ("Local/8001@agents-00000001", 1)
    assert local_pair("Local/8001@agents-00000001") is None
    assert local_pair("PJSIP/8001-1;1") is None
