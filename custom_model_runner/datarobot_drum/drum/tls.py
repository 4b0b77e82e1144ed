"""TLS of every server: the one place where a context is made from settings.

`python -m datarobot_drum.drum.tls` lists the protocols and ciphers that a server offers.
"""

from __future__ import annotations

import errno
import logging
import os
import ssl
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import UsageError

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.server")

#: Ciphers with shorter keys are refused.
LEAST_BITS = 128
#: Words in OpenSSL's description of a cipher that nobody should offer: no authentication, broken
#: or dated algorithms, and keys that are not forgotten after a connection.
WEAK_WORDS = (
    *("Au=None", "Enc=None", "Enc=RC4", "Enc=3DES", "Enc=DES", "Mac=MD5", "Mac=SHA1 "),
    "Kx=RSA ",
)


class HandshakeSocket(ssl.SSLSocket):
    """A connection whose client has `limit` seconds for the handshake; None is no limit."""

    limit: float | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands; a client that is too slow counts as one that has hung up."""
        before = self.gettimeout()
        self.settimeout(self.limit)
        try:
            super().do_handshake(block)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the TLS handshake is too slow") from error
        self.settimeout(before)


def server_context(
    settings: Settings, make: Callable[[int], ssl.SSLContext] | None = None
) -> ssl.SSLContext | None:
    """The context of a server, or None where there is no certificate; `make` is its class.

    UsageError tells in one line what is wrong with a file, the password or the ciphers.
    """
    if settings.ssl_certfile is None:
        return None
    context = _without_certificate(settings, make or ssl.SSLContext)
    _load_certificate(context, settings, settings.ssl_certfile)
    if settings.ssl_ca_certs is not None:
        _load_authorities(context, settings.ssl_ca_certs)
    context.verify_mode = ssl.VerifyMode(settings.ssl_cert_reqs)
    return context


def _without_certificate(
    settings: Settings, make: Callable[[int], ssl.SSLContext]
) -> ssl.SSLContext:
    context = make(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if settings.ssl_ciphers is not None:
        _choose_ciphers(context, settings.ssl_ciphers)
    return context


def blocking_context(settings: Settings) -> ssl.SSLContext | None:
    """The context of a server whose threads wait for clients: handshakes have a deadline."""
    context = server_context(settings)
    if context is not None:
        limit = settings.header_timeout or None
        context.sslsocket_class = type("LimitedSocket", (HandshakeSocket,), {"limit": limit})
    return context


def check(settings: Settings) -> None:
    """Stop the start, before there is any worker, when TLS cannot work."""
    server_context(settings)
    if settings.ssl_version is not None:
        logger.warning(
            "DRUM_SSL_VERSION is obsolete and has no effect: TLS 1.2 is always the least version"
        )


class RenewedContext:
    """The context of this process: each one that is forked reads the files anew.

    So a reload takes up a renewed certificate; when the new one is broken the old one stays.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext | None]) -> None:
        self._make = make
        self._made: tuple[int, ssl.SSLContext | None] | None = None

    def get(self) -> ssl.SSLContext | None:
        """The context; UsageError when the first one cannot be made."""
        if self._made is None:
            self._made = os.getpid(), self._make()
        elif self._made[0] != os.getpid():
            self._made = os.getpid(), self._remade(self._made[1])
        return self._made[1]

    def _remade(self, old: ssl.SSLContext | None) -> ssl.SSLContext | None:
        try:
            return self._make()
        except UsageError as error:
            logger.error("the TLS files of the last start stay in use: %s", error)
            return old


def offered(settings: Settings) -> list[str]:
    """What a server offers, a line each: protocol, cipher and bits of its key, best ones first."""
    return [
        f"{cipher['protocol']} {cipher['name']} {cipher['strength_bits']}"
        for cipher in _without_certificate(settings, ssl.SSLContext).get_ciphers()
    ]


def _choose_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    usual_level = context.security_level
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise UsageError(
            f"DRUM_SSL_CIPHERS has the bad value {ciphers!r}: `openssl ciphers` lists no cipher "
            "for it that is strong enough"
        ) from None
    if context.security_level < usual_level:
        raise UsageError(
            f"DRUM_SSL_CIPHERS lowers the security level to {context.security_level}: leave "
            "@SECLEVEL out"
        )
    for cipher in context.get_ciphers():
        if _is_weak(cipher):
            raise UsageError(
                f"DRUM_SSL_CIPHERS offers the weak cipher {cipher['name']}: leave it out"
            )


def _is_weak(cipher: Any) -> bool:
    text = " ".join(cipher["description"].split()) + " "
    return cipher["strength_bits"] < LEAST_BITS or any(word in text for word in WEAK_WORDS)


def _load_certificate(context: ssl.SSLContext, settings: Settings, certificate: str) -> None:
    key = settings.ssl_keyfile or certificate
    password = settings.ssl_keyfile_password
    was_asked = False

    def tell_password() -> str:
        # without this OpenSSL would ask the terminal
        nonlocal was_asked
        was_asked = True
        return password or ""

    try:
        context.load_cert_chain(certificate, settings.ssl_keyfile, tell_password)
    except (OSError, ValueError) as error:
        raise UsageError(_what_is_wrong(error, certificate, key, password, was_asked)) from None


def _what_is_wrong(
    error: Exception, certificate: str, key: str, password: str | None, was_asked: bool
) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"the key of DRUM_SSL_KEYFILE {key!r} is not that of the certificate {certificate!r}"
    if was_asked and password is None:
        return f"the TLS key {key!r} is encrypted: give its password as DRUM_SSL_KEYFILE_PASSWORD"
    if was_asked:
        return f"DRUM_SSL_KEYFILE_PASSWORD is not the password of the TLS key {key!r}"
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return f"the certificate {certificate!r} or its key is too weak: make a new one ({reason})"
    return (
        f"cannot load the TLS certificate {certificate!r} with the key {key!r}: give PEM files "
        f"with the certificate chain and its private key ({reason or error})"
    )


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UsageError(
            f"cannot load DRUM_SSL_CA_CERTS {path!r}: give a PEM file of certificates ({reason})"
        ) from None


def main() -> None:
    """Print what a server with the settings of this environment offers."""
    from datarobot_drum.drum.settings import Settings

    sys.stdout.write("\n".join(offered(Settings.load())) + "\n")


if __name__ == "__main__":
    main()
