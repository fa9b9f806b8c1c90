"""Opening the database and handing out its collections' keepers."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, PyMongoError
from pymongo.topology_description import TopologyDescription
from pymongo.uri_parser import parse_uri

from core.models import LoginEntry, ViewEntry
from core.redaction import redact
from core.settings import Settings
from core.store import embedded
from core.store.accounts.account_deletion import AccountDeletion
from core.store.accounts.audit_log import AuditLog, LoginLog
from core.store.accounts.email_addresses import EmailAddressStore
from core.store.accounts.invitations import InvitationStore
from core.store.accounts.login_sessions import LoginSessionStore
from core.store.accounts.login_throttle import LoginThrottle
from core.store.accounts.users import UserStore
from core.store.documents import schema
from core.store.documents.repair import RepairStore
from core.store.jobs.activity import ActivityStore
from core.store.jobs.assets import AssetStore
from core.store.jobs.bin import BinStore
from core.store.jobs.job_actions import JobActionStore
from core.store.jobs.jobs import JobStore
from core.store.jobs.library import LibraryStore
from core.store.jobs.settlement import SettlementStore
from core.store.jobs.shares import ShareStore
from core.store.mongod_files import EmbeddedUnavailable
from core.store.spending.budgets import BudgetStore
from core.store.work.change_stream import ChangeStream
from core.store.work.eta import EtaStore
from core.store.work.item_leases import LeaseStore
from core.store.work.kept_replies import KeptReplyStore
from core.store.work.notices import NoticeStore
from core.store.work.outbox import Outbox
from core.store.work.queue import QueueStore
from core.store.work.transitions import TransitionStore
from core.store.work.workers import WorkerStore

Document = dict[str, Any]

LOG_DAYS: Final = 365


class DatabaseUnavailable(Exception):
    """The database cannot be reached or refuses to work."""


class Store:
    """The database of one Fivefold, one attribute a collection.

    It may be used from several threads at once. Every write waits for a majority and the
    journal (MongoDB's default write concern), so what returned is kept.
    """

    def __init__(
        self,
        client: MongoClient[Document],
        database: str,
        log_days: int = LOG_DAYS,
        budgets: Mapping[str, float] | None = None,
        assumed_costs: Mapping[str, float] | None = None,
    ) -> None:
        self._client = client
        self._log_days = log_days
        self._database: Database[Document] = client[database]
        self.assets = AssetStore(self._database)
        self.users = UserStore(self._database)
        self.budgets = BudgetStore(
            self._database, self.assets, self.users, budgets or {}, assumed_costs or {}
        )
        self.jobs = JobStore(self._database, self.budgets)
        self.settlement = SettlementStore(self._database)
        self.job_actions = JobActionStore(self._database, self.budgets, self.settlement)
        self.library = LibraryStore(self._database)
        self.bin = BinStore(self._database, self.settlement)
        self.queue = QueueStore(self._database)
        self.kept_replies = KeptReplyStore(self._database)
        self.leases = LeaseStore(self._database)
        self.transitions = TransitionStore(self._database)
        self.workers = WorkerStore(self._database)
        self.email_addresses = EmailAddressStore(self._database)
        self.outbox = Outbox(self._database)
        self.notices = NoticeStore(self._database)
        self.login_sessions = LoginSessionStore(self._database)
        self.login_throttle = LoginThrottle(self._database)
        self.invitations = InvitationStore(self._database)
        self.shares = ShareStore(self._database)
        self.login_log = LoginLog(self._database["login_log"], LoginEntry)
        self.view_log = AuditLog(self._database["view_log"], ViewEntry)
        self.activity = ActivityStore(self._database)
        self.change_stream = ChangeStream(self._database)
        self.eta = EtaStore(self._database)
        self.repairs = RepairStore(self._database)
        self.account_deletion = AccountDeletion(
            self._database,
            self.job_actions,
            self.budgets,
            self.login_sessions,
            self.login_throttle,
            self.email_addresses,
        )

    def ensure_schema(self) -> None:
        """Create collections, validators and indexes, or bring them up to date."""
        with translated_errors():
            schema.ensure(self._database, self._log_days)

    def ping(self) -> str:
        """Return the server's version.

        Raises:
            DatabaseUnavailable: it does not answer.
        """
        with translated_errors():
            return str(self._client.server_info()["version"])

    def installation(self) -> str:
        """Return an id of this database that reveals nothing else."""
        return self.users.pseudonym(" ")  # no user_id is a blank

    def check(self) -> None:
        """See that the server answers and can do what Fivefold needs.

        Raises:
            DatabaseUnavailable: it does not answer, or is no replica set.
        """
        try:
            hello = self._client.admin.command("hello")
        except ConnectionFailure:
            raise DatabaseUnavailable(
                "The database does not answer. Is Fivefold running (`make run`), or is MONGODB_URI "
                f"right?{_topology(self._client.topology_description)}"
            ) from None
        except PyMongoError as error:
            raise DatabaseUnavailable(
                f"The database refuses to work: {redact(str(error).split(', full error', 1)[0])}"
            ) from None
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise DatabaseUnavailable(
                "The database that MONGODB_URI names is not a replica set, which Fivefold needs "
                "for transactions. Start it with --replSet and initiate it."
            )

    def close(self) -> None:
        """Store what is noted, and close all connections."""
        self.view_log.close()
        self.login_log.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into one sentence for the user."""
    try:
        yield
    except ConnectionFailure as error:
        raise DatabaseUnavailable(
            "The database does not answer. Is Fivefold running (`make run`), "
            f"or is MONGODB_URI right? {_reason(error)}."
        ) from None
    except (ConfigurationError, ValueError, TypeError) as error:  # of the driver's reading of it
        raise DatabaseUnavailable(
            f"The database's address, MONGODB_URI, cannot be used: {redact(str(error))}"
        ) from None
    except PyMongoError as error:
        reason = str(error).split(", full error", 1)[0]
        raise DatabaseUnavailable(f"The database refuses to work: {reason}") from None


def _reason(error: Exception) -> str:
    """Return the driver's own words, without its settings and its whole view of the set."""
    return redact(re.split(r" \(configured timeouts|, Timeout: ", str(error), maxsplit=1)[0])


def _topology(seen: TopologyDescription) -> str:
    """Return which set the driver looks for, and what it knows of each member."""
    members = []
    for (host, port), server in seen.server_descriptions().items():
        state = _reason(server.error) if server.error else server.server_type_name
        belongs = f", of the set {server.replica_set_name}" if server.replica_set_name else ""
        members.append(f"{host}:{port} ({state}{belongs})")
    wanted = (
        f" It looks for the replica set {seen.replica_set_name}." if seen.replica_set_name else ""
    )
    return f"{wanted} Members: {', '.join(members) or 'none that belongs to it'}."


def _sets_there(uri: str) -> str:
    """Return which replica sets the servers of an address say that they belong to."""
    found = []
    with suppress(PyMongoError, ValueError):
        for host, port in parse_uri(uri)["nodelist"]:
            with (
                suppress(PyMongoError),
                MongoClient[Document](
                    host, port, directConnection=True, serverSelectionTimeoutMS=1000
                ) as server,
            ):
                name = server.admin.command("hello").get("setName", "none")
                found.append(f"{host}:{port} is of {name}")
    return ", ".join(found)


def _full(settings: Settings) -> str:
    """Return that the embedded database has no room, where that is why it does not answer."""
    full = embedded.full_database_disk(settings)
    return f"The database does not answer. {full}" if full else ""


def open_store(settings: Settings) -> Store:
    """Connect to the database that the settings name, or to the embedded one.

    Args:
        settings: `mongodb_uri` wins; without it the embedded server that `make run` started.

    Raises:
        DatabaseUnavailable: no server is named or running, or it does not answer.
    """
    try:
        uri = settings.mongodb_uri.get_secret_value() or embedded.running_uri(settings.data_dir)
    except EmbeddedUnavailable as error:
        raise DatabaseUnavailable(str(error)) from None
    if uri is None:
        raise DatabaseUnavailable(
            _full(settings) or "Fivefold is not running here. Start it with `make run`."
        )
    with translated_errors():
        client: MongoClient[Document] = MongoClient(
            uri,
            tz_aware=True,
            appname="fivefold",
            serverSelectionTimeoutMS=5_000,
            w="majority",  # whatever the address or the server's default says
            journal=True,
            # A date beyond Python's calendar or a text that is none must not end a whole reading.
            datetime_conversion="DATETIME_AUTO",
            unicode_decode_error_handler="replace",
        )
    store = Store(
        client,
        settings.mongodb_database,
        settings.log_days,
        settings.budgets,
        settings.assumed_costs,
    )
    try:
        store.check()
    except DatabaseUnavailable:
        store.close()
        if full := _full(settings):
            raise DatabaseUnavailable(full) from None
        if not client.topology_description.server_descriptions() and (others := _sets_there(uri)):
            raise DatabaseUnavailable(
                "The database that MONGODB_URI names belongs to another replica set than "
                f"{client.topology_description.replica_set_name}: {others}."
            ) from None
        raise
    return store
