"""Which network addresses a source may have.

A name that a caller chose may resolve to anything: the metadata service of the machine, a neighbour in the private
network, the server itself. Each address is judged right before it is connected to, and IPv4 addresses that hide in IPv6
ones are taken out and judged as well. The tables are those of RFC 6890 and of IANA's special-purpose registries;
`ipaddress` has tables of its own, which differ between Python versions, and must agree.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "169.254.0.0/16",  # link-local, RFC 3927: EC2 metadata and ECS credentials
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112
        "::/128",  # unspecified
        "::/96",  # IPv4-compatible, RFC 4291
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b:1::/48",  # local NAT64, RFC 8215: what it leads to cannot be known
        "100::/64",  # discard, RFC 6666
        "2001::/23",  # protocol assignments, Teredo among them, RFC 2928 and 4380
        "2002::/16",  # 6to4, RFC 3056
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
        "fd00:ec2::/32",  # EC2 metadata and other services of the instance
        "fe80::/10",  # link-local, RFC 4291
        "fec0::/10",  # site-local, RFC 3879
        "ff00::/8",  # multicast, RFC 4291
    )
)
_INTERNAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.168.0.0/16",  # private, RFC 1918
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "2001:db8::/32",  # documentation, RFC 3849
        "fc00::/7",  # unique local, RFC 4193
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The two forms of the upper half of an ISATAP interface identifier, RFC 5214; the lower half is an IPv4 address."""


@lru_cache(maxsize=1024)
def is_allowed(address: str, *, listed: bool) -> bool:
    """Return whether a source may be fetched from this address.

    Args:
        address: as `socket.getaddrinfo` gives it, without brackets.
        listed: whether the operator listed the host by name, which opens private networks and loopback to it, but never
            link-local addresses (the metadata of the machine, its credentials), multicast or reserved ones.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return all(_is_allowed(one, listed=listed) for one in _unwrapped(parsed))


def _is_allowed(address: Address, *, listed: bool) -> bool:
    if address.is_loopback:
        return listed
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    if any(address in network for network in _INTERNAL if network.version == address.version):
        return listed
    return listed or address.is_global


def _unwrapped(address: Address) -> Iterator[Address]:
    """Yield the addresses that a packet to this one may end at."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.scope_id is not None:
        yield ipaddress.IPv6Address("fe80::")  # a zone makes sense for link-local addresses alone
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    number = int(address)
    if address in _NAT64 or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
