"""Is everything in order? One check a part, each with a line to read."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.doctor_login import check_provider
from core.doctor_web import check_links
from core.filesystem import flush, free_bytes, shown_bytes
from core.generation.engine import address, check
from core.generation.generators import open_catalogue
from core.media.encoding import encode_clip
from core.media.inspection import inspect_bounded
from core.media.storage import open_content
from core.models import Cost, Kind, now
from core.notifications.channels import Channel
from core.notifications.registry import offered, open_channels
from core.providers.base import Capability, Provider
from core.providers.errors import ProviderError
from core.providers.registry import Catalogue
from core.settings import Settings, warnings_about
from core.store import open_store
from core.store.costs import assumed_cost
from core.store.embedded import full_disk

OVERDUE_SECONDS: Final = 120.0
_BAD: Final = 400  # and above: HTTP statuses that refuse


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was checked.
        ok: whether it is in order.
        text: the facts, or what is wrong and what to do.
    """

    name: str
    ok: bool
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding for `--json`."""
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Check the database, workers, queue, folders, the encoder and every configured provider."""
    findings = [
        _finding("settings", lambda: _settings(settings)),
        _finding("database", lambda: _database(settings)),
        _finding("documents", lambda: _documents(settings)),
        _finding("workers", lambda: _workers(settings)),
        _finding("queue", lambda: _queue(settings)),
        _finding("broker", lambda: _broker(settings)),
        _finding("data folder", lambda: _data_folder(settings)),
        _finding("files", lambda: open_content(settings.content_url).check()),
        _finding("kept replies", lambda: _kept(settings)),
        _finding("encoder", _encoder),
    ]
    catalogue = open_catalogue(settings)
    findings += [
        _finding(provider.title, partial(_health, provider))
        for provider in catalogue.providers.values()
    ]
    findings += [Finding(name, ok=False, text=why) for name, why in catalogue.broken.items()]
    findings.append(_finding("budgets", lambda: _budgets(settings, catalogue)))
    findings.append(_finding("login", lambda: _login(settings)))
    findings.append(_finding("links", lambda: check_links(settings)))
    findings.append(_finding("messages", lambda: _messages(settings)))
    try:
        channels = open_channels(settings, open_content(settings.content_url))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        return [*findings, Finding("notifications", ok=False, text=str(error))]
    findings += [_finding(f"told by {each.name}", partial(_reach, each)) for each in channels]
    return findings


def overview(settings: Settings) -> list[tuple[str, str]]:
    """Return what `make run` prints: providers, channels and where the data lies."""
    catalogue = open_catalogue(settings)
    makers = [
        (f"{kind}s by", f"{provider.title} ({capability.model}). {provider.notice}")
        for kind in Kind
        for provider, capability in [catalogue.choose(kind)]
    ]
    unbound = _unbound(settings, catalogue)
    database = "MONGODB_URI" if settings.mongodb_uri.get_secret_value() else "embedded MongoDB"
    return [
        *makers,
        ("told by", ", ".join(offered(settings))),
        ("budgets", f"{_amounts(settings)} a month for each user" if settings.budgets else "none"),
        *([("WARNING", unbound)] if unbound else []),
        ("login", f"by {settings.login}, registration {settings.registration}"),
        ("database", f"{database}, database “{settings.mongodb_database}”"),
        ("broker", address(settings.broker_url.get_secret_value()) or "none: one worker"),
        ("data", str(settings.data_dir.resolve())),
        ("files", open_content(settings.content_url).place),
    ]


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, text=check())
    except ProviderError as error:
        return Finding(name, ok=False, text=error.final)  # nobody tries again here
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        return Finding(name, ok=False, text=str(error))


def _health(provider: Provider) -> str:
    async def check() -> str:
        try:
            return await provider.check()
        finally:
            await provider.close()

    return asyncio.run(check())


def _settings(settings: Settings) -> str:
    if found := warnings_about(settings):
        raise LookupError(" ".join(found))
    return f"{len(settings.model_fields_set)} are set"


def _database(settings: Settings) -> str:
    with open_store(settings) as store:
        return f"MongoDB {store.ping()}, database “{settings.mongodb_database}”"


def _documents(settings: Settings) -> str:
    with open_store(settings) as store:
        unreadable, kept = store.repairs.count(), len(store.repairs.kept())
    if unreadable:
        counted = ", ".join(f"{number} in {name}" for name, number in unreadable.items())
        raise LookupError(
            f"{unreadable.total()} cannot be read as they are stored ({counted}). "
            "`python -m core repair` says what is wrong with them."
        )
    return "all can be read" + (f"; {kept} are in the quarantine" if kept else "")


def _workers(settings: Settings) -> str:
    with open_store(settings) as store:
        workers, leader = store.workers.alive(), store.workers.leader()
    if not workers:
        raise LookupError("None is running, so nothing is made. Start one: `make run`.")
    if leader is None:
        raise LookupError("None leads, so nothing is handed out; wait ten seconds and look again.")
    named = [
        f"{worker.host}:{worker.pid}{' (leader)' if worker.id == leader else ''} serves "
        + ", ".join(f"{queue} ({at_once} at once)" for queue, at_once in worker.queues.items())
        for worker in workers
    ]
    return "; ".join(named)


def _queue(settings: Settings) -> str:
    with open_store(settings) as store:
        waiting, in_flight = store.queue.waiting(), store.queue.in_flight()
    text = f"{in_flight.total()} items are being made, "
    if not waiting:
        return text + "none wait"
    since = min(each.since for each in waiting.values())
    lag = (now() - since).total_seconds()
    lanes = ", ".join(f"{each.items} {'/'.join(lane)}" for lane, each in waiting.items())
    items = sum(each.items for each in waiting.values())
    return f"{text}{items} wait, the oldest for {lag:.0f} s: {lanes}"


def _broker(settings: Settings) -> str:
    url = settings.broker_url.get_secret_value()
    return asyncio.run(check(url)) if url else "none: one worker makes everything"


def _budgets(settings: Settings, catalogue: Catalogue) -> str:
    """See that budgets bind something, and say what is ordered without knowing its cost."""
    if not settings.budgets:
        return "none: what users spend has no bound (BUDGETS)"
    if unbound := _unbound(settings, catalogue):
        raise LookupError(unbound)
    unpriced = [
        f"{name}/{model}"
        for (name, model, unit), each in _paid(catalogue).items()
        if unit in settings.budgets and each.price is None and each.cost.estimated is None
        if assumed_cost(settings.assumed_costs, name, model, unit) is None
    ]
    text = f"{_amounts(settings)} a month for each user"
    if unpriced:
        text += (
            f". Not known beforehand is what these cost: {', '.join(unpriced)}. Until items like "
            "them have been billed, one order of them holds the rest of its user's budget; "
            "ASSUMED_COSTS says what they count as instead"
        )
    return text


def _paid(catalogue: Catalogue) -> dict[tuple[str, str, str], Capability]:
    """Return what costs something, by provider, model and unit."""
    return {
        (provider.name, each.model, each.cost.unit): each
        for provider in catalogue.providers.values()
        for each in provider.capabilities()
        if each.paid
    }


def _unbound(settings: Settings, catalogue: Catalogue) -> str:
    """Return a sentence about a budget or an assumed cost that binds nothing; empty: all do."""
    if not settings.budgets:
        return ""
    paid = _paid(catalogue)
    units = {unit for _, _, unit in paid}
    if settings.openai_chat_model and settings.openai_api_key.get_secret_value():
        units.add(Cost().unit)
    known = units | {name for name, _, _ in paid} | {f"{name}/{model}" for name, model, _ in paid}
    known |= {f"openai/{settings.openai_chat_model}"}
    for setting, names, there in (
        ("BUDGETS", settings.budgets, units),
        ("ASSUMED_COSTS", settings.assumed_costs, known),
    ):
        for name in sorted(set(names) - there):
            return (
                f"“{name}” in {setting} binds nothing: no configured provider is or counts in "
                f"that. There are: {', '.join(sorted(units)) or 'none that cost anything'}."
            )
    return ""


def _amounts(settings: Settings) -> str:
    return ", ".join(f"{amount:.10g} {unit}" for unit, amount in settings.budgets.items())


def _login(settings: Settings) -> str:
    """See that who may come in fits to where the pages are open."""
    if settings.login == "oidc":
        return f"by {check_provider(settings)}, registration {settings.registration}"
    if settings.login == "user_id" and not settings.local:
        raise LookupError(
            "Whoever types a user id is that user, and the pages are open to a network "
            f"(BIND_ADDRESS={settings.bind_address}). Set LOGIN=passphrase or LOGIN=oidc."
        )
    return f"by {settings.login}, registration {settings.registration}"


def _messages(settings: Settings) -> str:
    with open_store(settings) as store:
        late = store.outbox.overdue(OVERDUE_SECONDS)
    if late:
        raise LookupError(
            f"{late} are overdue and nobody sends them. Start a notifier: `make run`."
        )
    return "none is overdue"


def _kept(settings: Settings) -> str:
    """Count what was paid for and could not become a file; that is no fault of today."""
    with open_store(settings) as store:
        assets = store.assets.with_kept()
    if not assets:
        return "none: everything that was paid for is saved"
    size = sum(kept.bytes for asset in assets for kept in asset.kept)
    return (
        f"{len(assets)} items have replies that could not be read ({size / 2**20:.1f} MiB); "
        "`python -m core recover --all` reads them again, at no cost"
    )


def _reach(channel: Channel) -> str:
    try:
        return channel.check()
    finally:
        channel.close()


def _data_folder(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        file.write(b"a file")
        flush(file)
    if full := full_disk(settings.data_dir):
        raise OSError(full[0].upper() + full[1:])
    return f"{settings.data_dir.resolve()} ({shown_bytes(free_bytes(settings.data_dir))} free)"


def _encoder() -> str:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        encode_clip([np.zeros((64, 64, 3), np.uint8)] * 24, clip, 64, 64, 24)
        found = asyncio.run(inspect_bounded(clip, Kind.VIDEO, 64, 64, 1))  # as items do
    return f"H.264 clips are written and read back ({found.bytes} bytes)"
