"""`models` and `doctor`: what is configured, and whether it works."""

import sys

import click

from core.cli.output import json_option, to_json
from core.settings import load_settings


@click.command()
@json_option
def models(*, as_json: bool) -> None:
    """List what can be generated with: providers, models, shapes, lengths, options."""
    from core.providers.base import what_is_made  # noqa: PLC0415
    from core.providers.registry import open_catalogue  # noqa: PLC0415

    rows = open_catalogue(load_settings()).to_json()
    if as_json:
        click.echo(to_json(rows))
        return
    for row in rows:
        what = what_is_made(row["kind"], row["task"])
        lengths = f"{', '.join(map(str, row['seconds']))} s" if row["seconds"] else ""
        options = ", ".join(each["name"] for each in row["options"])
        facts = "; ".join(filter(None, [", ".join(row["ratios"]), lengths, options]))
        bill = "paid" if row["paid"] else "free"
        click.echo(f"{row['provider']:<12} {row['model']:<28} {what:<18} {bill}  {facts}")


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check that everything is in order."""
    from core.cli.doctor import examine  # noqa: PLC0415  # loads the encoder

    findings = examine(load_settings())
    if as_json:
        click.echo(to_json([finding.to_json() for finding in findings]))
    else:
        for finding in findings:
            mark = click.style("✔", fg="green") if finding.ok else click.style("✘", fg="red")
            click.echo(f"{mark} {finding.name:<21} {finding.text}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)
