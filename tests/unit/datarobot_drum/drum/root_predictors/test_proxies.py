"""Whose request it is behind proxies: the rightmost address that is not trusted."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.root_predictors.proxies import MOST_HOPS, TrustedProxies

LOCAL = ("127.0.0.1", "::1")
NETS = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("trusted", "peer", "header", "client"),
    [
        (LOCAL, "127.0.0.1", "", "127.0.0.1"),
        (LOCAL, "127.0.0.1", "203.0.113.7", "203.0.113.7"),
        # a peer that is not trusted cannot choose
        (LOCAL, "198.51.100.1", "203.0.113.7", "198.51.100.1"),
        ((), "127.0.0.1", "203.0.113.7", "127.0.0.1"),
        # what the client itself sent stands on the left
        (LOCAL, "127.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"),
        (NETS, "10.0.0.1", "1.1.1.1, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        (NETS, "10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        # a client with an address of the proxies' network cannot hide behind an invented one
        (NETS, "10.0.0.1", "junk, 10.2.2.2", "10.2.2.2"),
        (NETS, "10.0.0.1", "203.0.113.7, junk", "10.0.0.1"),
        (NETS, "10.0.0.1", "203.0.113.7,,", "10.0.0.1"),
        (NETS, "10.0.0.1", "unknown", "10.0.0.1"),
        (NETS, "10.0.0.1", "  203.0.113.7  ", "203.0.113.7"),
        # ports
        (NETS, "10.0.0.1", "203.0.113.7:443", "203.0.113.7"),
        (NETS, "10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        (NETS, "10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        (NETS, "10.0.0.1", "2001:DB8::1", "2001:db8::1"),
        # IPv6 peers, and IPv4 in its form
        (NETS, "fd00::1", "2001:db8::1, fd12::1", "2001:db8::1"),
        (LOCAL, "::1", "::ffff:203.0.113.7", "203.0.113.7"),
        (LOCAL, "::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        (NETS, "::ffff:10.1.2.3", "203.0.113.7", "203.0.113.7"),
        # everybody is trusted: the leftmost one, whoever wrote it
        (("*",), "198.51.100.1", "203.0.113.7, 10.0.0.1", "203.0.113.7"),
        (("*",), "", "203.0.113.7", "203.0.113.7"),
        # a Unix socket has no address
        (LOCAL, "", "203.0.113.7", ""),
        # no numbers that only look like addresses
        (LOCAL, "127.0.0.1", "0x7f.1", "127.0.0.1"),
        (LOCAL, "127.0.0.1", "127.1", "127.0.0.1"),
        (LOCAL, "127.0.0.1", "203.0.113.7\t", "203.0.113.7"),
        (LOCAL, "127.0.0.1", "<script>", "127.0.0.1"),
    ],
)
def test_client_is_the_rightmost_address_that_is_not_trusted(trusted, peer, header, client):
    assert TrustedProxies(trusted).client(peer, header) == client


def test_header_with_very_many_entries_is_read_from_its_end_only():
    proxies = TrustedProxies(NETS)
    many = ", ".join(["10.0.0.2"] * 100_000)
    assert proxies.client("10.0.0.1", f"203.0.113.7, {many}") == "10.0.0.2"
    near = ", ".join(["10.0.0.2"] * (MOST_HOPS - 1))
    assert proxies.client("10.0.0.1", f"junk, 203.0.113.7, {near}") == "203.0.113.7"


@pytest.mark.parametrize(
    ("peer", "told", "scheme"),
    [
        ("127.0.0.1", "", "http"),
        ("127.0.0.1", "https", "https"),
        ("127.0.0.1", "HTTPS ", "https"),
        ("127.0.0.1", "http, https", "https"),
        ("127.0.0.1", "javascript", "http"),
        ("198.51.100.1", "https", "http"),
    ],
)
def test_scheme_is_what_a_trusted_proxy_tells(peer, told, scheme):
    assert TrustedProxies(LOCAL).scheme(peer, "http", told) == scheme
