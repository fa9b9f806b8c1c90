"""`generate`: placing an order from the command line."""

import sys
import time
from dataclasses import fields
from typing import Any, Final

import click

from core.cli.output import json_option, print_job, to_json
from core.models import MIN_ITEMS, Asset, InvalidInput, Job, JobStatus, Task, parse_user_id
from core.settings import load_settings
from core.store import Store

_POLL_SECONDS: Final = 0.5


@click.command()
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
@json_option
def generate(prompt: str, user: str, *, wait: bool, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401  # the options above, as click gives them
    """Make images and videos of PROMPT.

    With --upscale there is none: what is made is the item itself, with more pixels.
    """
    from core.cli.model_options import ModelOptions  # noqa: PLC0415  # loads the providers
    from core.cli.notify_options import NotifyOptions  # noqa: PLC0415
    from core.studio.account import ensure_account  # noqa: PLC0415
    from core.studio.jobs import place_order  # noqa: PLC0415
    from core.studio.order import Order  # noqa: PLC0415
    from core.studio.studio import open_studio  # noqa: PLC0415

    def taken(options: Any) -> Any:  # noqa: ANN401  # a class of options, and one of them
        return options(**{each.name: chosen.pop(each.name) for each in fields(options)})

    models, notify = taken(ModelOptions), taken(NotifyOptions)
    user_id, accepted = parse_user_id(user), frozenset(chosen.pop("accept"))
    sources = {Task.ANIMATE: chosen.pop("animate"), Task.UPSCALE: chosen.pop("upscale")}
    named = [(task, item) for task, item in sources.items() if item is not None]
    if len(named) > 1:
        raise InvalidInput("An item is either animated or upscaled; please do one at a time.")
    settings = load_settings()
    studio = open_studio(settings)
    with studio.store as store:
        task, item = named[0] if named else (Task.CREATE, None)
        source = None if item is None else _source(store, user_id, item)
        order = Order(
            user_id=user_id,
            prompt=prompt,
            task=task,
            source=source,
            choices=models.choices(studio.catalogue, task, source),
            accepted=accepted,
            notify=notify.read(store.users.get(user_id)),
            **chosen,
        )
        job = place_order(studio, order)
        ensure_account(store, user_id, None if order.notify is None else order.notify.email)
        if not as_json:
            click.echo(f"Job {job.id}: {settings.link_base}/job?id={job.id}")
        if wait:
            job = _wait(store, job, quiet=as_json)
    if as_json:
        click.echo(to_json(job.to_document()))
    elif wait:
        print_job(job)
    if wait and job.status != JobStatus.COMPLETED:
        sys.exit(1)


def _source(store: Store, user_id: str, item: str) -> Asset:
    """Return the user's item with that id."""
    found = store.assets.get(item.lower(), user_id)
    if found is None:
        raise InvalidInput(f"{user_id} has no item {item!r}.")
    return found


def _wait(store: Store, job: Job, *, quiet: bool) -> Job:
    """Wait until a job has ended, with a progress bar in a terminal."""
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
            time.sleep(_POLL_SECONDS)
