"""`python -m core …`: the processes, and Fivefold from the command line."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import click

from core.cli.repair import repair as repair_command
from core.cli.users import user as user_commands
from core.media.folder import FolderStore
from core.media.storage import InvalidContentUrl, StorageUnavailable, open_content
from core.models import (
    ENDED_STATES,
    MIN_ITEMS,
    Asset,
    AssetState,
    InvalidInput,
    Job,
    JobStatus,
    Task,
    parse_user_id,
)
from core.models.job_summary import STATUSES, status_of, why
from core.runtime.crash_report import BROKEN, CANNOT_START, SUPERVISED, TEMPORARY, sentence
from core.settings import InvalidSetting, Settings, load_settings
from core.store import DatabaseError, DatabaseUnavailable, Store, open_store

WATCH_SECONDS: Final = 0.5
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_job_id = click.argument("job_id", metavar="JOB_ID")
_item = click.argument("item", metavar="[ITEM]", required=False)


def main() -> None:
    """Run the command line; an error that a person can mend is one sentence, not a traceback."""
    from core.runtime.process import prepare_command  # noqa: PLC0415  # loads structlog
    from core.runtime.supervisor import CannotStart  # noqa: PLC0415
    from core.store.embedded import EmbeddedUnavailable  # noqa: PLC0415  # only `run` raises them

    prepare_command()
    _give_home()
    try:
        cli()
    except (InvalidContentUrl, InvalidSetting) as error:
        _end(str(error), CANNOT_START)
    except (CannotStart, EmbeddedUnavailable, InvalidInput) as error:
        _end(str(error), 1)
    except DatabaseUnavailable as error:
        _end(str(error), TEMPORARY)
    except DatabaseError as error:
        _end(f"the database refuses to work: {error}", TEMPORARY)
    except Exception as error:  # noqa: BLE001  # whatever it is, nobody is shown a traceback
        _end(sentence(error, _data_dir()), BROKEN)


def _end(message: str, code: int) -> None:
    """Say why, and exit with a code that the supervisor understands; with 1 where there is none."""
    print(f"fivefold: {message}", file=sys.stderr)  # noqa: T201  # a command line prints
    sys.exit(code if os.environ.get(SUPERVISED) else 1)


def _data_dir() -> Path:
    """Return the data folder, also where the settings cannot be read."""
    try:
        return load_settings().data_dir
    except Exception:  # noqa: BLE001  # that may be the very error
        return Path(".data")


def _give_home() -> None:
    """Set HOME where this account has none, as accounts of containers often do not, or a file.

    Streamlit, for one, looks for its settings there and ends where it cannot.
    """
    home = os.path.expanduser("~")  # noqa: PTH111  # unlike pathlib's, it does not raise
    if home == "~" or (os.path.lexists(home) and not os.path.isdir(home)):  # noqa: PTH112  # likewise
        with suppress(InvalidSetting):  # such as `~/fivefold`, which means nothing here
            os.environ["HOME"] = str(load_settings().data_dir.absolute())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Fivefold: one prompt in; at least five images and five videos out."""


@cli.command()
def run() -> None:
    """Start everything and keep it running (`make run`)."""
    from core.runtime.supervisor import supervise  # noqa: PLC0415

    settings = load_settings()
    content = open_content(settings.content_url)  # before anything is started
    if isinstance(content, FolderStore):  # a bucket may be away for a while; `doctor` tries it
        with suppress(StorageUnavailable):  # a full disk is said with the banner
            content.check()
    supervise(settings, _warnings, _overview)


def _warnings(settings: Settings) -> list[str]:
    from core.cli.doctor import examine  # noqa: PLC0415  # loads the providers: beside the start

    return [f"{each.name}: {each.text}" for each in examine(settings, quick=True) if not each.ok]


def _overview(settings: Settings) -> list[tuple[str, str]]:
    from core.cli.doctor import overview  # noqa: PLC0415  # loads the providers: after the start

    return overview(settings)


@cli.command()
def web() -> None:
    """Serve the pages."""
    from streamlit.web.cli import main as streamlit  # noqa: PLC0415

    from core.web.app.logging_setup import share_log  # noqa: PLC0415
    from core.web.app.server import bound_server  # noqa: PLC0415

    settings = _prepared("web")
    share_log()
    bound_server()
    # uvicorn would believe whoever connects from this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.trusted_proxies)
    script = Path(__file__).parents[2] / "streamlit_app.py"
    address = ["--server.address", settings.bind_address, "--server.port", str(settings.port)]
    # These win over variables such as STREAMLIT_SERVER_HEADLESS=false, with which it would ask for
    # a mail address and wait, and over a path that the gate has cut off already.
    ours = ["--server.headless", "true", "--server.baseUrlPath", "", "--logger.enableRich", "false"]
    streamlit(["run", str(script), *address, *ours])


@cli.command()
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


@cli.command()
def notifier() -> None:
    """Send notifications when they are due."""
    from core.notifications.notifier import run_notifier  # noqa: PLC0415
    from core.notifications.registry import open_channels  # noqa: PLC0415

    settings = _prepared("notifier")
    channels = open_channels(settings, open_content(settings.content_url))
    with open_store(settings) as store:
        run_notifier(settings, store, channels)


@cli.command()
@click.argument("prompt", default="")
@click.option("--user", required=True, help="The user_id to generate for.")
@click.option("--images", default=MIN_ITEMS, show_default=True, help="Number of images.")
@click.option("--videos", default=MIN_ITEMS, show_default=True, help="Number of videos.")
@click.option("--ratio", help="Aspect ratio, such as 16:9.")
@click.option("--seconds", type=int, help="Length of each clip.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Repeat what this seed made.")
@click.option("--style", help="A style preset, such as watercolour.")
@click.option("--image-provider", help="Who makes the images.  [default: the preferred one]")
@click.option("--image-model", help="With which of its models.")
@click.option("--video-provider", help="Who makes the videos.  [default: the preferred one]")
@click.option("--video-model", help="With which of its models.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the model, such as quality=high; image.NAME or video.NAME for one kind.",
)
@click.option("--animate", metavar="ITEM_ID", help="Make clips of this finished image instead.")
@click.option("--upscale", metavar="ITEM_ID", help="Make this finished item larger instead.")
@click.option("--accept", multiple=True, metavar="PROVIDER", help="Accept its conditions.")
@click.option("--email", metavar="ADDRESS", help="Where mail goes; it counts as confirmed.")
@click.option("--notify", metavar="CHANNELS", help="Such as email,app.  [default: the user's]")
@click.option("--notify-at", metavar="TIME", help="Not before, such as 2026-12-01T09:00.")
@click.option("--notify-daily", metavar="HH:MM", help="In the daily digest at that time.")
@click.option("--timezone", help="Of these times, such as Europe/Berlin.  [default: the user's]")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
@_json
def generate(prompt: str, user: str, *, wait: bool, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401  # the options above, as click gives them
    """Make images and videos of PROMPT.

    With --upscale there is none: what is made is the item itself, with more pixels.
    """
    from core.generation.disk_space import full_disks  # noqa: PLC0415
    from core.generation.generators import open_catalogue  # noqa: PLC0415
    from core.notifications.preferences import Typed, read_preferences  # noqa: PLC0415
    from core.studio.order import Makers, Order, plan  # noqa: PLC0415

    settings = load_settings()
    catalogue = open_catalogue(settings)
    accepted = frozenset(chosen.pop("accept"))
    sources = {Task.ANIMATE: chosen.pop("animate"), Task.UPSCALE: chosen.pop("upscale")}
    tasks = [task for task, item in sources.items() if item is not None]
    if len(tasks) > 1:
        raise InvalidInput("An item is either animated or upscaled; please do one at a time.")
    makers = Makers(**{field.name: chosen.pop(field.name) for field in fields(Makers)})
    typed = Typed(**{field.name: chosen.pop(field.name) for field in fields(Typed)})
    order = Order(
        user_id=parse_user_id(user),
        prompt=prompt,
        accepted=accepted,
        **chosen,
    )
    if full := full_disks(settings, open_content(settings.content_url)):
        raise InvalidInput(full)
    with open_store(settings) as store:
        for task in tasks:
            source = _source(store, order.user_id, sources[task])
            order = replace(order, task=task, source=source)
            if task == Task.UPSCALE:
                order = replace(order, prompt=_prompt_of(store, source))
        order = replace(order, choices=makers.choices(catalogue, order.task, order.source))
        wish = read_preferences(typed, store.users.get(order.user_id), settings)
        planned, assets = plan(replace(order, notify=wish), catalogue)
        store.users.ensure(planned.user_id)
        if wish.email is not None:
            store.email_addresses.vouch(planned.user_id, wish.email)
        store.jobs.create(planned, assets)
        if not as_json:
            click.echo(f"Job {planned.id}: {settings.link_base}/job?id={planned.id}")
        job = _wait(store, planned, quiet=as_json) if wait else planned
    if as_json:
        click.echo(_to_json(job.to_document()))
    elif wait:
        _print_job(job)
    if wait and job.status != JobStatus.COMPLETED:
        sys.exit(1)


@cli.command()
@click.argument("job_id", metavar="ID")
@_json
def job(job_id: str, *, as_json: bool) -> None:
    """Show a job and its items."""
    with open_store(load_settings()) as store:
        found, _ = _find(store, job_id)
        assets = store.assets.of_job(found.id)
    if as_json:
        items = [asset.to_document() for asset in assets]
        click.echo(_to_json(found.to_document() | {"assets": items}))
    else:
        _print_job(found, assets)


@cli.command()
@click.option("--user", required=True, help="The user_id whose jobs to list.")
@click.option("--limit", default=50, show_default=True, help="At most so many, newest first.")
@_json
def jobs(user: str, limit: int, *, as_json: bool) -> None:
    """List a user's jobs, newest first."""
    with open_store(load_settings()) as store:
        found = store.jobs.of_user(parse_user_id(user), limit)
    if as_json:
        click.echo(_to_json([each.to_document() for each in found]))
        return
    for each in found:
        prompt = " ".join(each.prompt.split())
        click.echo(
            f"{each.id}  {each.created_at:%Y-%m-%d %H:%M}Z  {each.status:<10}  {prompt[:60]}"
        )


@cli.command()
@_job_id
@_item
def cancel(job_id: str, item: str | None) -> None:
    """Stop a job, or one ITEM of it, such as image-3."""
    with open_store(load_settings()) as store:
        found, asset_id = _find(store, job_id, item)
        number = store.jobs.cancel(found.id, found.user_id, asset_id)
    click.echo(f"Cancelling {_counted(number)}." if number else "There is nothing to cancel.")


@cli.command()
@_job_id
@_item
@click.option("--unknown", is_flag=True, help="Also send again what may be charged twice by that.")
def retry(job_id: str, item: str | None, *, unknown: bool) -> None:
    """Make failed and cancelled items again: of a whole job, or one ITEM, such as image-3.

    What was or may have been charged is sent again only with --unknown, or where you say so.
    """
    with open_store(load_settings()) as store:
        found, asset_id = _find(store, job_id, item)
        number = store.jobs.retry(found.id, found.user_id, asset_id)
        paid = [
            each
            for each in store.assets.of_job(found.id)
            if (each.charged or each.state == AssetState.UNKNOWN)
            and each.state in ENDED_STATES
            and asset_id in {None, each.id}
        ]
        if paid and not unknown:
            question = f"{_counted(len(paid))} may have been charged already. "
            question += f"Send again, for {_price(paid)} once more?"
            if sys.stdin.isatty():
                unknown = click.confirm(question)
            else:
                click.echo(f"{_counted(len(paid))} may have been charged already: see --unknown.")
        sent = store.jobs.resend(found.id, found.user_id, asset_id) if unknown else 0
    if number:
        click.echo(f"Making {_counted(number)} again.")
    elif not (sent or paid):
        click.echo("There is nothing to make again.")
    if sent:
        click.echo(f"Sending {_counted(sent)} again; this may be charged twice.")


@cli.command()
@click.argument("items", metavar="ITEM...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All items of which something is kept.")
@click.option("--user", help="All items of this user_id of which something is kept.")
def recover(items: tuple[str, ...], user: str | None, *, everything: bool) -> None:
    """Read again what is kept of paid items that failed or are unknown, and save what is in it.

    ITEM is an item's id. Nothing is paid, and what is still not understood stays kept; it may be
    run as often as wanted.
    """
    from core.generation.recovery import recover_all  # noqa: PLC0415  # loads the providers

    if not (items or everything or user):
        raise InvalidInput("Please name items, or say --all or --user USER_ID.")
    settings = load_settings()
    with open_store(settings) as store:
        chosen = [_any_item(store, each) for each in items]
        if everything or user:
            chosen += store.assets.with_kept(parse_user_id(user) if user else None)
        ended = asyncio.run(recover_all(settings, store, chosen))
    for asset in ended:
        facts = asset.path if asset.state == AssetState.DONE else why(asset)
        click.echo(f"{asset.id}  {asset.state:<10}  {facts or 'nothing is kept of it'}")
    if not ended:
        click.echo("Nothing is kept.")
    if any(asset.state != AssetState.DONE for asset in ended):
        sys.exit(1)


@cli.command()
@_json
def models(*, as_json: bool) -> None:
    """List what can be generated with: providers, models, shapes, lengths, options."""
    from core.generation.generators import open_catalogue  # noqa: PLC0415
    from core.providers.base import what_is_made  # noqa: PLC0415

    rows = open_catalogue(load_settings()).to_json()
    if as_json:
        click.echo(_to_json(rows))
        return
    for row in rows:
        what = what_is_made(row["kind"], row["task"])
        lengths = f"{', '.join(map(str, row['seconds']))} s" if row["seconds"] else ""
        options = ", ".join(each["name"] for each in row["options"])
        facts = "; ".join(filter(None, [", ".join(row["ratios"]), lengths, options]))
        bill = "paid" if row["paid"] else "free"
        click.echo(f"{row['provider']:<12} {row['model']:<28} {what:<18} {bill}  {facts}")


@cli.command()
@_json
def doctor(*, as_json: bool) -> None:
    """Check that everything is in order."""
    from core.cli.doctor import examine  # noqa: PLC0415  # loads the encoder

    findings = examine(load_settings())
    if as_json:
        click.echo(_to_json([finding.to_json() for finding in findings]))
    else:
        for finding in findings:
            mark = click.style("✔", fg="green") if finding.ok else click.style("✘", fg="red")
            click.echo(f"{mark} {finding.name:<21} {finding.text}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


cli.add_command(user_commands)
cli.add_command(repair_command)


def _prepared(name: str, **chosen: Any) -> Settings:  # noqa: ANN401  # values of settings
    from core.runtime.process import prepare  # noqa: PLC0415

    settings = load_settings(**chosen)
    prepare(name, settings.log_level, settings.log_format)
    return settings


def _find(store: Store, job_id: str, item: str | None = None) -> tuple[Job, str | None]:
    """Return a job and the id of its item of that name, such as `image-3`."""
    found = store.jobs.get(job_id.lower())
    if found is None:
        raise InvalidInput(f"There is no job {job_id!r}.")
    if item is None:
        return found, None
    for asset in store.assets.of_job(found.id):
        if item.lower() == f"{asset.kind}-{asset.slot}":
            return found, asset.id
    raise InvalidInput(
        f"The job has no item {item!r}; items are called image-1, video-1 and so on."
    )


def _any_item(store: Store, item: str) -> Asset:
    """Return the item of that id, whoever's it is."""
    found = store.assets.get(item.lower())
    if found is None:
        raise InvalidInput(f"There is no item {item!r}.")
    return found


def _price(assets: list[Asset]) -> str:
    """Return what items are expected to cost, in words."""
    costs: dict[str, float] = {}
    for each in assets:
        amount = each.cost.estimated if each.cost.estimated is not None else each.cost.actual
        costs[each.cost.unit] = costs.get(each.cost.unit, 0.0) + (amount or 0.0)
    known = [f"about {amount:.4g} {unit}" for unit, amount in sorted(costs.items()) if amount]
    return " and ".join(known) or "a cost that is not known"


def _source(store: Store, user_id: str, item: str) -> Asset:
    """Return the user's item of that id."""
    found = store.assets.get(item.lower(), user_id)
    if found is None:
        raise InvalidInput(f"{user_id} has no item {item!r}.")
    return found


def _prompt_of(store: Store, asset: Asset) -> str:
    """Return what an item was made of."""
    job = store.jobs.get(asset.job_id)
    if job is None:
        raise InvalidInput("The job was deleted.")
    return asset.prompt or job.prompt


def _counted(number: int) -> str:
    return f"{number} item{'' if number == 1 else 's'}"


def _wait(store: Store, job: Job, *, quiet: bool) -> Job:
    """Wait for a job's end, with a progress bar where a person watches."""
    bar = click.progressbar(
        length=1000, label="Generating", file=sys.stderr, hidden=quiet or not sys.stderr.isatty()
    )
    with bar:
        while True:
            found = store.jobs.get(job.id)
            if found is None:
                raise InvalidInput("The job was deleted.")
            assets = store.assets.of_job(job.id)
            share = sum(asset.progress for asset in assets) / max(len(assets), 1)
            bar.update(round(1000 * share) - bar.pos)
            if found.status != JobStatus.PROCESSING:
                return found
            time.sleep(WATCH_SECONDS)


def _print_job(job: Job, assets: list[Asset] | None = None) -> None:
    status = STATUSES[status_of(job)]
    click.echo(f"{status}: {len(job.image_paths)} of {job.requested.images} images, ", nl=False)
    click.echo(f"{len(job.video_paths)} of {job.requested.videos} videos")
    if assets is None:
        click.echo("\n".join(job.image_paths + job.video_paths))
        return
    for asset in assets:
        facts = asset.path or why(asset) or f"{asset.progress:.0%}"
        click.echo(f"  {asset.kind} {asset.slot:>2}  {asset.state:<10}  {facts}")


def _to_json(value: object) -> str:
    encode: Callable[[Any], str] = lambda moment: moment.isoformat()  # noqa: E731  # dates only
    return json.dumps(value, default=encode, ensure_ascii=False, indent=2)
