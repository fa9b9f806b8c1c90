"""How an item was made, in words: what was sent, and what came back."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from core.models import Asset, Cost
from core.web.moments import span_text
from core.web.money import amount_text
from core.web.view import View

_TIMES: Final = {"submitted_at": "Sent", "started_at": "Taken", "saved_at": "Saved"}


def made_by(asset: Asset, prompt: str, view: View) -> list[tuple[str, str]]:
    """Return how one item was made, as label and text; a guest learns nothing of the account."""
    times = asset.timings
    account = [
        *((_words(name), _flat(value)) for name, value in asset.details.items()),
        ("Image it is made of", asset.source or ""),
        ("Id at the provider", asset.remote_id or ""),
        ("Cost", _cost(asset.cost)),
        ("Attempts", str(asset.attempts) if asset.attempts > 1 else ""),
    ]
    facts = [
        ("Prompt", asset.prompt or prompt),
        ("Made by", f"{view.title_of(asset.provider)} ({asset.model})"),
        *((_words(name), str(value)) for name, value in asset.params.items()),
        *([] if view.is_guest else account),
        *((label, view.moment(times[name])) for name, label in _TIMES.items() if name in times),
    ]
    if {"submitted_at", "saved_at"} <= set(times):
        took = times["saved_at"] - times["submitted_at"]
        facts.append(("Took", span_text(max(took, timedelta(0)))))
    return [(label, text) for label, text in facts if text]


def _cost(cost: Cost) -> str:
    if cost.actual is not None or cost.earlier:
        return amount_text(cost.spent, cost.unit) if cost.spent else "nothing"
    return "" if cost.estimated is None else f"about {amount_text(cost.estimated, cost.unit)}"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _flat(value: object) -> str:
    """Return a value that a provider sent as one line."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_words(str(name)).lower()} {_flat(each)}"
            for name, each in value.items()
            if each not in (None, {}, [])
        )
    return str(value)
