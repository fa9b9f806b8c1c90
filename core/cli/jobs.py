"""`job`, `jobs`, `cancel`, `retry` and `recover`: jobs and their items."""

import asyncio
import sys
from collections.abc import Mapping

import click

from core.cli.output import counted, json_option, print_job, to_json
from core.models import Asset, AssetState, InvalidInput, Job, parse_user_id
from core.models.job_summary import why
from core.settings import load_settings
from core.store import Store, open_store

_job_id = click.argument("job_id", metavar="JOB_ID")
_item = click.argument("item", metavar="[ITEM]", required=False)


@click.command()
@click.argument("job_id", metavar="ID")
@json_option
def job(job_id: str, *, as_json: bool) -> None:
    """Show a job and its items."""
    with open_store(load_settings()) as store:
        found, _ = _find(store, job_id)
        assets = store.assets.of_job(found.id)
    if as_json:
        items = [asset.to_document() for asset in assets]
        click.echo(to_json(found.to_document() | {"assets": items}))
    else:
        print_job(found, assets)


@click.command()
@click.option("--user", required=True, help="The user_id whose jobs to list.")
@click.option("--limit", default=50, show_default=True, help="At most so many, newest first.")
@json_option
def jobs(user: str, limit: int, *, as_json: bool) -> None:
    """List a user's jobs, newest first."""
    with open_store(load_settings()) as store:
        found = store.jobs.of_user(parse_user_id(user), limit)
    if as_json:
        click.echo(to_json([each.to_document() for each in found]))
        return
    for each in found:
        prompt = " ".join(each.prompt.split())
        click.echo(
            f"{each.id}  {each.created_at:%Y-%m-%d %H:%M}Z  {each.status:<10}  {prompt[:60]}"
        )


@click.command()
@_job_id
@_item
def cancel(job_id: str, item: str | None) -> None:
    """Stop a job, or one ITEM of it, such as image-3."""
    from core.studio import jobs as service  # noqa: PLC0415  # loads the providers

    with open_store(load_settings()) as store:
        found, item_id = _find(store, job_id, item)
        number = service.cancel(store, found.user_id, found.id, item_id)
    click.echo(f"Cancelling {counted(number)}." if number else "There is nothing to cancel.")


@click.command()
@_job_id
@_item
@click.option("--unknown", is_flag=True, help="Also send again what may be charged twice by that.")
def retry(job_id: str, item: str | None, *, unknown: bool) -> None:
    """Make failed and cancelled items again: of a whole job, or one ITEM, such as image-3.

    What was or may have been charged is sent again only with --unknown, or where you say so.
    """
    from core.studio import jobs as service  # noqa: PLC0415  # loads the providers

    with open_store(load_settings()) as store:
        found, item_id = _find(store, job_id, item)
        number = service.retry(store, found.user_id, found.id, item_id)
        paid = service.may_be_charged_again(store, found.id, item_id)
        if paid and not unknown:
            question = f"{counted(len(paid))} may have been charged already. "
            price = _price(service.cost_of_sending_again(paid))
            if sys.stdin.isatty():
                unknown = click.confirm(f"{question}Send again, for {price} once more?")
            else:
                click.echo(f"{counted(len(paid))} may have been charged already: see --unknown.")
        sent = service.send_again(store, found.user_id, found.id, item_id) if unknown else 0
    if number:
        click.echo(f"Making {counted(number)} again.")
    elif not (sent or paid):
        click.echo("There is nothing to make again.")
    if sent:
        click.echo(f"Sending {counted(sent)} again; this may be charged twice.")


@click.command()
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


def _find(store: Store, job_id: str, item: str | None = None) -> tuple[Job, str | None]:
    """Return a job and the id of its item with a name such as `image-3`."""
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
    """Return the item with that id, of any user."""
    found = store.assets.get(item.lower())
    if found is None:
        raise InvalidInput(f"There is no item {item!r}.")
    return found


def _price(costs: Mapping[str, float]) -> str:
    """Return an expected cost in words."""
    known = [f"about {amount:.4g} {unit}" for unit, amount in sorted(costs.items()) if amount]
    return " and ".join(known) or "a cost that is not known"
