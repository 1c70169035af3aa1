"""What `manage.py doctor` looks at: every part of an installation, one finding each, with the mend beside a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import psycopg
from amqp.exceptions import NotFound
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone
from psycopg_pool import PoolTimeout

from moderation import database_away
from moderation.models import AuditHead, Client, Run, Worker
from moderation.selectors import feeds
from moderation.services.orders import webhooks
from moderation.services.post import outbox
from moderation.services.record import audit
from moderation.services.record.chain import Key
from queueing.celery import DEAD, LANES, app

PATIENCE_SECONDS = 3
LATE_SECONDS = 60
STUCK_AFTER_TRIES = 3
ALIVE = timedelta(seconds=30)
CLOCKS_MAY_DIFFER = timedelta(seconds=5)
GROQ = "https://api.groq.com"
LANGSMITH = "https://api.smith.langchain.com"
CHECKPOINT_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@dataclass(frozen=True)
class Finding:
    """`ok name: detail`, or `FAIL name: detail — mend`."""

    ok: bool
    name: str
    detail: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{'ok' if self.ok else 'FAIL'} {self.name}: {self.detail}"
        return f"{line} — {self.mend}" if self.mend and not self.ok else line


def look_at_everything() -> Iterator[Finding]:
    """One after the other; what needs the database is left out when it is away."""
    database = check_database()
    yield database
    yield from check_broker()
    yield check_groq()
    yield check_langsmith()
    if not database.ok:
        return
    migrations = check_migrations()
    yield migrations
    yield check_checkpoints()
    if migrations.ok:
        for check in (
            check_clocks,
            check_history,
            check_endpoints,
            check_unfetched,
            check_outbox,
            check_runs,
            check_workers,
        ):
            yield from _safely(check)


def check_database() -> Finding:
    try:
        with psycopg.connect(**database_away.connection_parameters(), autocommit=True) as there:
            version = there.info.parameter_status("server_version") or "?"
            which = "" if settings.DATABASE_URL else f", the embedded one of {settings.DATA_DIR.path}"
            return _good("database", f"PostgreSQL {version}, database {there.info.dbname}{which}")
    except psycopg.Error as error:
        found = database_away.finding(error) or database_away.Finding(_one_line(error), "correct DATABASE_URL")
        return _bad("database", found.what, found.mend)


def check_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return _bad("migrations", f"{missing} are missing", "run manage.py migrate")
    return _good("migrations", "all applied")


def check_checkpoints() -> Finding:
    with connection.cursor() as cursor:
        names = [f"{settings.CHECKPOINT_SCHEMA}.{table}" for table in CHECKPOINT_TABLES]
        cursor.execute("SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL", [names])
        missing = [name for (name,) in cursor.fetchall()]
    if missing:
        return _bad("checkpoints", f"missing: {', '.join(missing)}", "run manage.py migrate")
    return _good("checkpoints", "the agent's tables are there")


def check_clocks() -> Iterator[Finding]:
    """This machine's clock and each live worker's, against the database's: by that one everything is due."""
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        # The reading fell somewhere between the two; the nearer one is compared.
        theirs, after = cursor.fetchone()[0], timezone.now()
    here = max(theirs - after, before - theirs, timedelta(0)) * (1 if theirs < before else -1)
    alive = Worker.objects.filter(seen_at__gt=Now() - ALIVE, clock__isnull=False)
    differences = {"this machine": here} | {
        name: clock - seen_at for name, clock, seen_at in alive.values_list("name", "clock", "seen_at") if clock
    }
    wrong = {name: ahead for name, ahead in differences.items() if abs(ahead) > CLOCKS_MAY_DIFFER}
    if not wrong:
        yield _good("clocks", f"{len(differences)} within {CLOCKS_MAY_DIFFER.seconds} s of the database's")
        return
    said = ", ".join(f"{name} is {_ahead(ahead)} the database" for name, ahead in sorted(wrong.items()))
    yield _bad("clocks", said, "let every machine, the database's too, keep its clock by NTP")


def check_history() -> Iterator[Finding]:
    """Whether events can be sealed; whether what is sealed holds, `verify_audit` says."""
    if refused := audit.distrust(AuditHead.objects.first(), Key.present()):
        mend = "give AUDIT_KEY (or SECRET_KEY) as it was at the first migrate, or look with manage.py verify_audit"
        yield _bad("history", f"nothing is sealed: {refused}", mend)
    else:
        yield _good("history", "what happens is sealed")


def _ahead(difference: timedelta) -> str:
    seconds = difference.total_seconds()
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"


def check_broker() -> Iterator[Finding]:
    if not settings.BROKER_URL:
        yield _good("broker", "BROKER_URL is not set: `demo` or `relay` does the work in its own threads")
        return
    try:
        with app.connection_for_read(connect_timeout=PATIENCE_SECONDS) as broker:
            broker.connect()
            where = broker.as_uri(include_password=False)
            waiting = {name: _messages(broker, name) for name in (*(f"guardian.{lane}" for lane in LANES), DEAD.name)}
    except Exception as error:  # noqa: BLE001 - the transport's errors have no common base
        yield _bad("broker", _one_line(error), "start RabbitMQ, or correct BROKER_URL")
        return
    absent = [name for name, count in waiting.items() if count is None]
    if absent:
        yield _bad("broker", f"{where}, without {', '.join(absent)}", "start a worker: it declares them")
        return
    yield _good("broker", f"{where}, {sum(waiting[f'guardian.{lane}'] or 0 for lane in LANES)} messages wait")
    dead = waiting[DEAD.name] or 0
    if not dead:
        yield _good("dead letters", "none")
        return
    mend = f"find out why in the workers' logs (the rows are offered again), then `rabbitmqctl purge_queue {DEAD.name}`"
    yield _bad("dead letters", f"{dead} messages killed their worker too often", mend)


def _messages(broker: object, queue: str) -> int | None:
    """How many messages are in a queue, None if there is no such queue. Asks passively: declares nothing."""
    with broker.channel() as channel:  # type: ignore[attr-defined]
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except NotFound:
            return None


def check_groq() -> Finding:
    key = settings.AGENT["GROQ_API_KEY"].strip()
    if not key:
        return _good("groq", "no key: the built-in rules are the analyst")
    base = (settings.AGENT["GROQ_API_BASE"].strip() or GROQ).rstrip("/")
    return _ask("groq", f"{base}/openai/v1/models", {"Authorization": f"Bearer {key}"}, "GROQ_API_KEY", "GROQ_API_BASE")


def check_langsmith() -> Finding:
    key = settings.AGENT["LANGSMITH_API_KEY"].strip()
    wanted = settings.AGENT["LANGSMITH_TRACING"].strip().lower() in {"1", "true", "yes", "on"}
    if not wanted:
        return _good("langsmith", "LANGSMITH_TRACING is off: no traces leave this house")
    if not key:
        return _bad("langsmith", "tracing is on without a key", "set LANGSMITH_API_KEY, or tracing off")
    base = (settings.AGENT["LANGSMITH_ENDPOINT"].strip() or LANGSMITH).rstrip("/")
    return _ask("langsmith", f"{base}/sessions?limit=1", {"x-api-key": key}, "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT")


def _ask(name: str, url: str, headers: dict[str, str], key: str, base: str) -> Finding:
    host = httpx2.URL(url).host
    try:
        answer = httpx2.get(url, headers=headers, timeout=PATIENCE_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return _bad(name, f"{host} cannot be reached ({type(error).__name__})", f"look at the network and at {base}")
    if answer.status_code in (401, 403):
        return _bad(name, f"{host} does not accept the key ({answer.status_code})", f"correct {key}")
    if answer.is_error:
        return _bad(name, f"{host} answers {answer.status_code}", f"try again later, or look at {base}")
    return _good(name, f"{host} answers and accepts the key")


def check_endpoints() -> Iterator[Finding]:
    clients = Client.objects.filter(is_active=True).order_by("name")
    if not clients:
        yield _good("clients", "there is none yet: make one with manage.py create_client")
    for client in clients:
        name = f"client {client.name}"
        if not client.webhook_url:
            yield _good(name, "pull mode: it fetches its orders itself")
        elif client.failing_since is not None:
            since = client.failing_since.isoformat(timespec="seconds")
            yield _bad(
                name,
                f"{client.webhook_url} has answered nothing good since {since}",
                "ask the client's operators; its orders wait and are tried again at least every 30 s",
            )
        else:
            reply = webhooks.ping(client)
            if reply.result is None:
                yield _bad(
                    name, f"{client.webhook_url}: {reply.detail}", "correct its webhook URL, or mend the endpoint"
                )
            else:
                yield _good(name, f"{client.webhook_url} answers a ping in {reply.milliseconds} ms")


def check_unfetched() -> Iterator[Finding]:
    for waits in feeds.unfetched():
        if waits.seconds < LATE_SECONDS:
            continue
        yield _bad(
            f"orders of {waits.client.name}",
            f"{waits.orders} wait to be fetched, for up to {waits.seconds / 60:.0f} min, and were never asked for",
            "its app must ask GET /api/v1/orders/, or have a webhook URL; else its cases never end",
        )


def check_outbox() -> Iterator[Finding]:
    seconds = outbox.oldest_waiting_seconds()
    if seconds > LATE_SECONDS:
        yield _bad(
            "outbox", f"the oldest row that is due has waited {seconds:.0f} s", "start a worker, or more of them"
        )
    else:
        yield _good("outbox", f"the oldest row that is due has waited {seconds:.0f} s" if seconds else "nothing waits")


def check_runs() -> Iterator[Finding]:
    stuck = Run.objects.filter(
        done_at=None, cancelled_at=None, attempts__gte=STUCK_AFTER_TRIES, last_error__gt=""
    ).order_by("due_at")
    count, first = stuck.count(), stuck.first()
    if first is None:
        yield _good("runs", "none is stuck")
        return
    what = f"the {first.kind} of case {first.case_id} failed {first.attempts} times: {_one_line(first.last_error)}"
    yield _bad("runs", f"{count} stuck; {what}", "they are tried again for ever; mend what the error names")


def check_workers() -> Iterator[Finding]:
    alive = Worker.objects.filter(seen_at__gt=Now() - ALIVE)
    count, threads = alive.count(), alive.aggregate(n=Sum("threads"))["n"]
    if count:
        yield _good("workers", f"{count} alive with {threads} threads")
    else:
        mend = "start `celery -A queueing worker`, or where there is no broker `manage.py demo` or `manage.py relay`"
        yield _bad("workers", "none is alive", mend)


def _good(name: str, detail: str) -> Finding:
    return Finding(ok=True, name=name, detail=detail)


def _bad(name: str, detail: str, mend: str) -> Finding:
    return Finding(ok=False, name=name, detail=detail, mend=mend)


def _safely(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (DatabaseError, PoolTimeout) as error:
        yield _bad(check.__name__.removeprefix("check_"), _one_line(error), "look at the database first")


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
