"""`python -m core repair`: finds stored documents that cannot be read, and repairs them."""

from contextlib import suppress
from typing import Final

import click

from core.settings import load_settings
from core.store import Store, open_store
from core.store.documents.repair import LEFT, Damage

_FAULTS: Final = 5  # named of each document


@click.command()
@click.option("--apply", "applies", is_flag=True, help="Do it; without this, it is only said.")
@click.option("--list", "lists", is_flag=True, help="List what is in the quarantine.")
@click.option("--restore", metavar="ID", help="Bring something in the quarantine back as it was.")
def repair(*, applies: bool, lists: bool, restore: str | None) -> None:
    """Find stored documents that cannot be read, and repair them.

    What needs no guessing is mended: a number becomes text where text is meant, and a part that
    cannot be read becomes what holds where nothing was written. Everything else is set aside. A
    copy of every document that is changed is in the collection `quarantine` first.
    """
    with open_store(load_settings()) as store:
        store.ensure_schema()
        if restore is not None:
            store.repairs.restore(restore)
            click.echo(f"{restore} is back as it was.")
        elif lists:
            for each in store.repairs.kept():
                click.echo(f"{each['_id']}  {each['remedy']}  {'; '.join(each['faults'])[:200]}")
        else:
            _repair(store, applies=applies)


def _repair(store: Store, *, applies: bool) -> None:
    found = left = 0
    for damage in store.repairs.damages():
        found += 1
        left += damage.remedy == LEFT
        click.echo(_line(damage))
        if applies and store.repairs.repair(damage):
            _settle(store, damage)
    if not found:
        click.echo("Everything that is stored can be read.")
    elif applies:
        click.echo(f"{found - left} done, {left} left to you; `repair --list` names the copies.")
    else:
        click.echo(f"{found} found; nothing is changed yet. `repair --apply` does it.")


def _line(damage: Damage) -> str:
    faults = "; ".join(f"{each.field or 'all'}: {each.reason}" for each in damage.faults[:_FAULTS])
    return f"{damage.collection}/{damage.id}  {damage.remedy}  {faults}"


def _settle(store: Store, damage: Damage) -> None:
    """Settle the job that a document belongs to."""
    if damage.collection in ("jobs", "assets"):
        with suppress(KeyError):
            store.settlement.settle(str(damage.id).split("-", 1)[0])
