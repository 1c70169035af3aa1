"""What an installation is not started with: one sentence each, which names the setting and the mend.

Pure: it knows no Django, reads no environment, and is told everything. `moderation.settings` raises what it answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

SHORTEST_KEY = 32
FEWEST_LETTERS = 8
PLACEHOLDERS = ("change", "django-insecure", "replace-me", "your-secret", "image-is-built")


@dataclass(frozen=True)
class Installation:
    """What the environment said, and whence it came. `secret_key_kept`: the key is the data directory's. `services`:
    addresses text or keys are sent to, by setting."""

    secret_key: str = ""
    secret_key_kept: bool = False
    audit_key: str = ""
    debug: bool = False
    demo: bool = False
    forum: bool = False
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    database_url: str = ""
    broker_url: str = ""
    public_url: str = ""
    run_url: str = ""
    services: dict[str, str] = field(default_factory=dict)


def is_local(host: str) -> bool:
    """Whether the host is this machine itself: a name of loopback, an address of it, a directory with a socket."""
    if host.startswith("/"):
        return True
    name = host.strip("[]").lower().rstrip(".").removeprefix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_public(hosts: Sequence[str]) -> bool:
    """Whether any of ALLOWED_HOSTS is more than this machine; `*` and `.example.com` are."""
    return any(not is_local(_without_port(host)) for host in hosts)


def refusals(told: Installation) -> Iterator[str]:
    """Why this installation must not start; nothing where it may."""
    public = is_public(told.hosts)
    yield from _of_the_key(told, public=public)
    yield from _of_the_hosts(told, public=public)
    yield from _of_the_database(told, public=public)
    yield from _of_the_broker(told.broker_url)
    yield from _of_the_services(told)


def _of_the_key(told: Installation, *, public: bool) -> Iterator[str]:
    if told.demo and public:
        yield "ALLOWED_HOSTS names a public host, and the demo is for this machine only: unset it for the demo."
    if not told.secret_key:
        yield (
            "SECRET_KEY is not set: put 50 random characters into the environment or .env "
            "(python -c 'import secrets; print(secrets.token_urlsafe(50))'), or start with `manage.py demo`."
        )
    elif len(told.secret_key) < SHORTEST_KEY or any(word in told.secret_key.lower() for word in PLACEHOLDERS):
        yield "SECRET_KEY is a placeholder or shorter than 32 characters: set a random one."
    elif is_guessable(told.secret_key):
        yield "SECRET_KEY repeats itself or has too few different characters to be random: set a random one."
    elif told.secret_key_kept and public:
        yield (
            "SECRET_KEY comes from the data directory of a demo while ALLOWED_HOSTS names a public host: "
            "set a SECRET_KEY of its own."
        )
    if told.audit_key and (len(told.audit_key) < SHORTEST_KEY or is_guessable(told.audit_key)):
        yield "AUDIT_KEY is shorter than 32 characters or no random ones: set a random one, and keep it for good."


def is_guessable(key: str) -> bool:
    """Whether a key is one piece over and over, made of hardly any different characters, or mostly of one."""
    again = any(key[length:] == key[:-length] for length in range(1, len(key) // 2 + 1))
    letters = Counter(key)
    most = max(letters.values(), default=0)
    return again or len(letters) < FEWEST_LETTERS or most > len(key) // 2


def _of_the_hosts(told: Installation, *, public: bool) -> Iterator[str]:
    if told.debug and public:
        yield "DEBUG is on while ALLOWED_HOSTS names a public host: turn one of the two off."
    if any("*" in host for host in told.hosts):
        yield "ALLOWED_HOSTS holds `*`: name the hosts this installation answers for (.example.com: all below it)."
    if any("/" in host or not host.strip(".") for host in told.hosts):
        yield "ALLOWED_HOSTS takes names of hosts, without https:// and without a path."
    for origin in told.origins:
        parts = _split(origin)
        if parts is None or not _is_origin(parts):
            yield f"CSRF_TRUSTED_ORIGINS: {origin} is no https://host."
        elif public and "*" in origin:
            yield f"CSRF_TRUSTED_ORIGINS: {origin} trusts hosts nobody has named: with a public host, name each."
        elif public and parts.scheme != "https":
            yield f"CSRF_TRUSTED_ORIGINS: {origin} must begin with https:// while ALLOWED_HOSTS names a public host."
    if told.public_url:
        parts = _split(told.public_url)
        if parts is None or not _is_origin(parts):
            yield "PUBLIC_URL must be https://host, without a path: links are made with it."
        elif parts.scheme == "http" and not is_local(parts.hostname or ""):
            yield "PUBLIC_URL must begin with https://: the links made with it let people in."
    if told.forum and public:
        yield (
            "The demo's forum and its API key are switched on (GUARDIAN_FORUM_…) for a public host: "
            "the demo is for this machine only."
        )


def _is_origin(parts: SplitResult) -> bool:
    """Whether an address is a scheme and a host, with a port at most."""
    rest = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not rest


def _of_the_database(told: Installation, *, public: bool) -> Iterator[str]:
    if not told.database_url:
        if public:
            yield (
                "DATABASE_URL is not set while ALLOWED_HOSTS names a public host, and the embedded database is for "
                "this machine only: set DATABASE_URL."
            )
        return
    parts = _split(told.database_url)
    if parts is None or parts.scheme not in {"postgres", "postgresql"}:
        yield "DATABASE_URL must begin with postgresql://: Guardian works on PostgreSQL only."
        return
    asked = parse_qs(parts.query)
    # Where both are there Django takes the one before the path, libpq an address before any name.
    named = [_host(parts), *asked.get("host", []), *asked.get("hostaddr", [])]
    hosts = [host for text in named for host in text.split(",")]
    if public and any(host.startswith("/tmp/guardian-") for host in hosts):  # noqa: S108 - DataDir.socket_dir
        yield "DATABASE_URL is a demo's embedded database while ALLOWED_HOSTS names a public host: use another."
    if {"disable", "allow"} & set(asked.get("sslmode", [])) and any(host and not is_local(host) for host in hosts):
        yield "DATABASE_URL turns TLS off (sslmode) for another machine: use sslmode=verify-full, or at least require."


def _of_the_broker(broker_url: str) -> Iterator[str]:
    for url in filter(None, broker_url.split(";")):
        parts = _split(url)
        if parts is None or parts.scheme not in {"amqp", "amqps"}:
            yield "BROKER_URL must begin with amqp:// or amqps://: Guardian works on RabbitMQ only."
        elif unquote(parts.username or "guest") == "guest" and parts.hostname and not is_local(parts.hostname):
            yield "BROKER_URL goes to another machine as guest, whose password everybody knows: make a user for it."


def _of_the_services(told: Installation) -> Iterator[str]:
    for name, url in told.services.items():
        parts = _split(url)
        if url and (parts is None or parts.scheme not in {"http", "https"} or not parts.hostname):
            yield f"{name} must begin with https:// (or http:// on this machine itself)."
        elif url and parts is not None and parts.scheme == "http" and not is_local(parts.hostname or ""):
            yield f"{name} is http:// on another machine, which would carry the key and the texts in the clear: https."
    if told.run_url:
        parts = _split(told.run_url)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            yield "LANGSMITH_RUN_URL must begin with https://: it is a link on the case pages."
        elif "{run_id}" not in told.run_url:
            yield "LANGSMITH_RUN_URL must hold {run_id}, where the run's id is put in."


def _without_port(host: str) -> str:
    return host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _host(parts: SplitResult) -> str:
    """The host of a database address; libpq's sockets come percent-encoded."""
    return unquote(parts.netloc.rpartition("@")[2].partition(":")[0] if "%" in parts.netloc else parts.hostname or "")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    return parts
