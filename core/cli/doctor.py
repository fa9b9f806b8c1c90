"""The checks of `doctor`: one for each part, each with a line of text."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from core.cli.doctor_login import check_provider
from core.cli.doctor_web import accepted_origin, check_links
from core.cli.probes import Finding, Probe, finding_of
from core.generation.transport import address, check
from core.media.encoding import encode_clip
from core.media.folder import FolderStore
from core.media.inspection import inspect_bounded
from core.media.storage import ContentStore, open_content
from core.models import Cost, Kind, now
from core.notifications.channels import Channel
from core.notifications.registry import offered, open_channels
from core.providers.base import Capability, Provider
from core.providers.registry import Catalogue, open_catalogue
from core.settings import Settings, warnings_about
from core.store import open_store
from core.store.spending.costs import assumed_cost
from core.system.disks import check_data_folder

__all__ = ["Finding", "examine", "overview", "probes"]

OVERDUE_SECONDS: Final = 120.0


def examine(settings: Settings, *, quick: bool = False) -> list[Finding]:
    """Check every part.

    Args:
        settings: the settings.
        quick: whether to run only quick checks, as `make run` does.
    """
    each = ((probe.name, probe.quick if quick else probe.check) for probe in probes(settings))
    return [finding_of(name, check) for name, check in each if check is not None]


def probes(settings: Settings) -> list[Probe]:
    """Return a probe for every part."""
    content, catalogue = open_content(settings.content_url), open_catalogue(settings)
    here = isinstance(content, FolderStore)
    quick = Probe.all_quick
    return [
        quick("settings", lambda: _settings(settings)),
        quick("database", lambda: _database(settings)),
        Probe("documents", lambda: _documents(settings)),
        Probe("workers", lambda: _workers(settings)),
        quick("queues", lambda: _queues(settings, catalogue)),
        Probe("queue", lambda: _queue(settings)),
        quick("broker", lambda: _broker(settings)),
        quick("data folder", lambda: check_data_folder(settings.data_dir)),
        Probe("files", content.check, content.check if here else None),
        Probe("kept replies", lambda: _kept(settings)),
        Probe("encoder", _encoder),
        *(Probe(each.title, partial(_health, each)) for each in catalogue.providers.values()),
        *(quick(name, partial(_raise, why)) for name, why in catalogue.broken.items()),
        quick("budgets", lambda: _budgets(settings, catalogue)),
        Probe("login", lambda: _login(settings), lambda: _open_login(settings)),
        Probe("links", lambda: check_links(settings), lambda: str(accepted_origin(settings))),
        Probe("messages", lambda: _messages(settings)),
        *_channels(settings, content),
    ]


def _channels(settings: Settings, content: ContentStore) -> list[Probe]:
    try:
        channels = open_channels(settings, content)
    except Exception as error:  # noqa: BLE001  # any error is a finding
        return [Probe.all_quick("notifications", partial(_raise, str(error)))]
    return [Probe(f"told by {each.name}", partial(_reach, each)) for each in channels]


def _raise(why: str) -> str:
    raise LookupError(why)


def overview(settings: Settings) -> list[tuple[str, str]]:
    """Return the rows of the banner of `make run`, as labels and texts."""
    catalogue = open_catalogue(settings)
    providers = [
        (f"{kind}s by", f"{provider.title} ({capability.model}). {provider.notice}")
        for kind in Kind
        for provider, capability in [catalogue.choose(kind)]
    ]
    database = "MONGODB_URI" if settings.mongodb_uri.get_secret_value() else "embedded MongoDB"
    return [
        *providers,
        ("told by", ", ".join(offered(settings))),
        ("budgets", f"{_amounts(settings)} a month for each user" if settings.budgets else "none"),
        ("login", f"by {settings.login}, registration {settings.registration}"),
        ("database", f"{database}, database “{settings.mongodb_database}”"),
        ("broker", address(settings.broker_url.get_secret_value()) or "none"),
        ("data", str(settings.data_dir.resolve())),
        ("files", open_content(settings.content_url).place),
    ]


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


def _queues(settings: Settings, catalogue: Catalogue) -> str:
    """Check that a worker on the same broker serves each queue that providers need."""
    with open_store(settings) as store:
        workers = store.workers.alive()
    served = {queue for worker in workers for queue in worker.queues}
    served = served or set(settings.worker_queues.split(","))  # `make run` starts such a one
    needed = {
        each.queue: provider.title
        for provider in catalogue.providers.values()
        for each in provider.capabilities()
    }
    for queue in sorted(set(needed) - served):
        raise LookupError(
            f"No worker serves the queue “{queue}”, so {needed[queue]} makes nothing. Start one "
            f"beside this: `python -m core worker --queues {queue}`."
        )
    if len(brokers := {worker.broker for worker in workers}) > 1:
        raise LookupError(
            "The workers do not hear of the same work: "
            + " and ".join(sorted(each or "none" for each in brokers))
            + " are their brokers. Start all of them with the same BROKER_URL."
        )
    return f"{', '.join(sorted(needed))} are served" if len(needed) > 1 else "io is served"


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
    return asyncio.run(check(url)) if url else "none: workers look in the database for their work"


def _budgets(settings: Settings, catalogue: Catalogue) -> str:
    """Check that budgets apply to something, and name what has no known cost."""
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
    """Return a sentence about budgets or assumed costs that apply to nothing; empty: none."""
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
    """Check that people can log in, and that nobody else can."""
    if settings.login == "oidc":
        return f"by {check_provider(settings)}, registration {settings.registration}"
    return _open_login(settings)


def _open_login(settings: Settings) -> str:
    """Check that the login rules suit the network that the pages are open to."""
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
    """Count paid items whose reply could not be read; they do not fail the check."""
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


def _encoder() -> str:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        encode_clip([np.zeros((64, 64, 3), np.uint8)] * 24, clip, 64, 64, 24)
        found = asyncio.run(inspect_bounded(clip, Kind.VIDEO, 64, 64, 1))  # as items do
    return f"H.264 clips are written and read back ({found.bytes} bytes)"
