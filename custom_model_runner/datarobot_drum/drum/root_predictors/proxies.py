"""Who a request comes from, when it may have passed proxies; the same rule on every front.

A proxy appends the address of its own peer to `X-Forwarded-For`, so that the entries on the right
were written by those nearest to this server. What stands further left than the first address that
is not trusted may have been invented by anybody.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ANYBODY = "*"
#: Entries of the header that are looked at; more are those of somebody who plays.
MOST_HOPS = 50


class TrustedProxies:
    """The proxies whose forwarded headers are believed: addresses, networks, or `*` for all."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._all = ANYBODY in trusted
        self._networks = [ipaddress.ip_network(text) for text in trusted if text != ANYBODY]
        # the peers of a server behind proxies are few
        self.trusts = functools.lru_cache(maxsize=1024)(self._trusts)

    def _trusts(self, address: str) -> bool:
        """Is it the address of a proxy to be believed? Text that is none is never trusted."""
        if self._all:
            return True
        try:
            found = _parsed(address)
        except ValueError:
            return False
        return any(found.version == net.version and found in net for net in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client's address: the first one from the right that is not a trusted proxy's.

        `forwarded_for` is the header, repeated ones joined by commas. When all are trusted it is
        the leftmost one; an entry that is no address ends the search at the proxy that sent it.
        """
        if not forwarded_for or not self.trusts(peer):
            return peer
        client = peer
        for entry in reversed(forwarded_for.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
            try:
                client = str(_parsed(_without_port(entry.strip())))
            except ValueError:
                return client
            if not self.trusts(client):
                return client
        return client

    def scheme(self, peer: str, scheme: str, forwarded_proto: str) -> str:
        """`http` or `https` as the client used it, where a trusted proxy tells."""
        if not forwarded_proto or not self.trusts(peer):
            return scheme
        told = forwarded_proto.rpartition(",")[2].strip().lower()
        return told if told in ("http", "https") else scheme


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    # sockets that speak both protocols tell IPv4 peers in this form
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


def _without_port(text: str) -> str:
    """The address of `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1` or `[2001:db8::1]:80`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
