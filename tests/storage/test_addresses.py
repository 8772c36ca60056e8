"""Which network addresses a source may have."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilery.storage.addresses import is_allowed

PUBLIC = [
    "9.9.9.9",
    "1.1.1.1",
    "52.95.128.1",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "192.167.0.1",
    "2620:fe::fe",
    "2606:4700::1111",
    "2600:1f00::1",
    "64:ff9b::9.9.9.9",
    "::ffff:9.9.9.9",
]
INTERNAL = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2620:fe::5efe:10.0.0.1",
    "198.18.0.1",
    "203.0.113.1",
    "2001:db8::1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.88.99.1",
    "::",
    "::10.0.0.1",
    "::9.9.9.9",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:0:9.9.9.9",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::9.9.9.9",
    "2620:fe::200:5efe:169.254.169.254",
    "2002:909:909::1",
    "2002:7f00:1::",
    "2001:0:909:909::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2620:fe::fe%eth0",
    "fec0::1",
    "ff02::1",
    "100::1",
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "10.0.0.1/8",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_allowed(address, listed=False)
    assert is_allowed(address, listed=True)


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_only_when_the_host_is_listed(address: str) -> None:
    assert not is_allowed(address, listed=False)
    assert is_allowed(address, listed=True)


@pytest.mark.parametrize("address", NEVER)
def test_never(address: str) -> None:
    assert not is_allowed(address, listed=False)
    assert not is_allowed(address, listed=True)


@given(st.ip_addresses())
def test_what_is_not_global_is_never_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_allowed(str(address), listed=False):
        assert address.is_global or (address.version == 6 and address.ipv4_mapped is not None)
        assert not (address.is_private or address.is_multicast or address.is_reserved) or address.version == 6


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "2620:fe::5efe:{}"]))
def test_a_hidden_address_is_judged_like_a_plain_one(address: ipaddress.IPv4Address, shape: str) -> None:
    for listed in (False, True):
        assert is_allowed(shape.format(address), listed=listed) == is_allowed(str(address), listed=listed)
