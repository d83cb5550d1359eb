"""Where webhooks may be sent: to public addresses, and to networks that the operator names.

Whoever registers a webhook makes the service send requests from where it stands, so a name must not
lead it to the machine itself or into the network around it. The addresses of a name are looked up
and checked as a connection is made, and the connection is made to the address that was checked: a
name that changes between the two, or a redirect, leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpcore

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address
# IPv4 within IPv6 by a translator of the network's (RFC 6052).
_TRANSLATED = IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """The host has no address, or one that no webhook may be sent to."""


def reachable(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """The host's addresses, each one checked. Raises AddressRefused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressRefused("the host has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(_may(ipaddress.ip_address(address), networks) for address in addresses):
        raise AddressRefused("the host's address is not public")
    return addresses


class CheckedConnections(httpcore.AnyIOBackend):
    """Connects to addresses that were checked, and to no others."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that takes one.

        Raises AddressRefused and httpcore.ConnectError.
        """
        *others, last = await asyncio.to_thread(reachable, host, port, self._networks)
        for address in others:
            try:
                return await super().connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await super().connect_tcp(last, port, timeout, local_address, socket_options)


def _may(address: _Address, networks: Sequence[Network]) -> bool:
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv6Address):
        inner = _inside(address)
        if inner is not None and not _may(inner, networks):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that it leads to, where it is a way of writing one."""
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
