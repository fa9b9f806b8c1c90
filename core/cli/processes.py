"""`run`, `web`, `worker` and `notifier`: the processes."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from core.media.folder import FolderStore
from core.media.storage import StorageUnavailable, open_content
from core.settings import Settings, load_settings
from core.store import open_store


@click.command()
def run() -> None:
    """Start everything and keep it running (`make run`)."""
    from core.runtime.supervisor import supervise  # noqa: PLC0415

    settings = load_settings()
    content = open_content(settings.content_url)  # before anything is started
    if isinstance(content, FolderStore):  # `doctor` checks a bucket, which may be away
        with suppress(StorageUnavailable):  # the banner reports a full disk
            content.check()
    supervise(settings, _warnings, _overview)


def _warnings(settings: Settings) -> list[str]:
    from core.cli.doctor import examine  # noqa: PLC0415  # loads the providers: beside the start

    return [f"{each.name}: {each.text}" for each in examine(settings, quick=True) if not each.ok]


def _overview(settings: Settings) -> list[tuple[str, str]]:
    from core.cli.doctor import overview  # noqa: PLC0415  # loads the providers: after the start

    return overview(settings)


@click.command()
def web() -> None:
    """Serve the pages."""
    from streamlit.web.cli import main as streamlit  # noqa: PLC0415

    from core.web.app.logging_setup import share_log  # noqa: PLC0415
    from core.web.app.server import bound_server  # noqa: PLC0415

    settings = _prepared("web")
    share_log()
    bound_server()
    # uvicorn would trust every client on this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.trusted_proxies)
    script = Path(__file__).parents[2] / "streamlit_app.py"
    address = ["--server.address", settings.bind_address, "--server.port", str(settings.port)]
    # These win over variables such as STREAMLIT_SERVER_HEADLESS=false, with which it would ask for
    # an e-mail address and wait, and over a path that the gate has removed already.
    ours = ["--server.headless", "true", "--server.baseUrlPath", "", "--logger.enableRich", "false"]
    streamlit(["run", str(script), *address, *ours])


@click.command()
@click.option("--queues", help="What to serve: io, gpu, or io,gpu.  [default: WORKER_QUEUES]")
@click.option("--concurrency", type=int, help="Items at once.  [default: WORKER_CONCURRENCY]")
def worker(queues: str | None, concurrency: int | None) -> None:
    """Make the items of jobs.

    Start as many as wanted, on as many machines, with the same MONGODB_URI, BROKER_URL and
    CONTENT_URL.
    """
    from core.generation.worker import run_worker  # noqa: PLC0415

    chosen = {"worker_queues": queues, "worker_concurrency": concurrency}
    settings = _prepared(
        "worker", **{key: value for key, value in chosen.items() if value is not None}
    )
    with open_store(settings) as store:
        asyncio.run(run_worker(settings, store))


@click.command()
def notifier() -> None:
    """Send notifications when they are due."""
    from core.notifications.notifier import run_notifier  # noqa: PLC0415
    from core.notifications.registry import open_channels  # noqa: PLC0415

    settings = _prepared("notifier")
    channels = open_channels(settings, open_content(settings.content_url))
    with open_store(settings) as store:
        run_notifier(settings, store, channels)


def _prepared(name: str, **chosen: Any) -> Settings:  # noqa: ANN401  # values of settings
    from core.runtime.process import prepare  # noqa: PLC0415

    settings = load_settings(**chosen)
    prepare(name, settings.log_level, settings.log_format)
    return settings
