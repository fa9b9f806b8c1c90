"""Output of several commands."""

import json
from collections.abc import Callable
from typing import Any

import click

from core.models import Asset, Job
from core.models.job_summary import STATUSES, status_of, why

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def counted(number: int) -> str:
    """Return a number of items in words."""
    return f"{number} item{'' if number == 1 else 's'}"


def print_job(job: Job, assets: list[Asset] | None = None) -> None:
    """Print a job and either its files or its items.

    Args:
        job: the job.
        assets: its items; None: print its files.
    """
    status = STATUSES[status_of(job)]
    click.echo(f"{status}: {len(job.image_paths)} of {job.requested.images} images, ", nl=False)
    click.echo(f"{len(job.video_paths)} of {job.requested.videos} videos")
    if assets is None:
        click.echo("\n".join(job.image_paths + job.video_paths))
        return
    for asset in assets:
        facts = asset.path or why(asset) or f"{asset.progress:.0%}"
        click.echo(f"  {asset.kind} {asset.slot:>2}  {asset.state:<10}  {facts}")


def to_json(value: object) -> str:
    """Return a value as JSON, with times in ISO 8601."""
    encode: Callable[[Any], str] = lambda moment: moment.isoformat()  # noqa: E731  # dates only
    return json.dumps(value, default=encode, ensure_ascii=False, indent=2)
