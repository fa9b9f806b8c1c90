"""Placeholders for jobs, items and accounts that cannot be read, so that they are shown as such.

Nothing is generated or paid for from a placeholder: `unreadable` names the fields.
"""

import re
from typing import Any, Final

from core import models
from core.i18n import N_
from core.i18n import gettext as _
from core.store.documents.reading import look, use_placeholders

Stored = dict[str, Any]

UNREADABLE: Final = "unreadable"
ITEM: Final = N_(
    "This item cannot be read. Perhaps a newer version of Fivefold wrote it; an admin can repair "
    "it."
)
CHARGED: Final = N_(
    "This item cannot be read, and its provider may have charged for it. Perhaps a newer version "
    "of Fivefold wrote it; an admin can repair it."
)
JOB: Final = N_("This job cannot be read. An admin can repair it.")

_SLOT: Final = re.compile(r"\d{1,4}", re.ASCII)
_ENDED: Final = {str(state) for state in models.ENDED_STATES}


def _job(stored: Stored, _lost: set[str]) -> Stored:
    begun = models.time_of_id(str(stored["_id"])) or models.EPOCH
    return {
        "user_id": stored.get("user_id", ""),
        "prompt": stored.get("prompt", _(JOB)),
        "status": stored.get("status", str(models.JobStatus.FAILED)),
        "created_at": stored.get("created_at", begun),
        "updated_at": stored.get("updated_at", begun),
        "requested": stored.get("requested", {"images": 0, "videos": 0}),
        "options": stored.get("options", {"ratio": "", "seed": 0}),
    }


def _asset(stored: Stored, _lost: set[str]) -> Stored:
    """Return what an item is shown with; a finished one with its file where that is known."""
    job_id, _dash, name = str(stored["_id"]).partition("-")
    kind, _dash, slot = name.partition("-")
    kinds = [str(each) for each in models.Kind]
    state = stored.get("state")
    shows = state == str(models.AssetState.DONE) and isinstance(stored.get("path"), str)
    values = {
        "job_id": stored.get("job_id", job_id),
        "user_id": stored.get("user_id", ""),
        "kind": stored.get("kind", kind if kind in kinds else str(models.Kind.IMAGE)),
        "slot": stored.get("slot", int(slot) if _SLOT.fullmatch(slot) else 0),
        "provider": stored.get("provider", ""),
        "model": stored.get("model", ""),
        "params": stored.get("params", {}),
        "state": state,
        "next_attempt_at": stored.get("next_attempt_at", models.DUE_NOW),
    }
    if not shows:
        error = models.AssetError(code=UNREADABLE, message=CHARGED if was_sent(stored) else ITEM)
        ended = state in _ENDED and state != str(models.AssetState.DONE)
        values |= {"state": state if ended else str(models.AssetState.FAILED)}
        values |= {"error": error.to_document(), "lease": None, "cancel_requested": False}
    return values


def _user(_stored: Stored, lost: set[str]) -> Stored | None:
    """Only a time gets a placeholder: whether an account is protected, nobody may guess."""
    return {"created_at": models.now()} if lost == {"created_at"} else None


def was_sent(stored: Stored) -> bool:
    """Return whether an item's provider was called, as far as its document still shows."""
    timings = stored.get("timings")
    sent = isinstance(timings, dict) and timings.get("submitted_at") is not None
    asked = any(stored.get(name) is not None for name in ("call", "remote_id"))
    state = stored.get("state")
    return sent or asked or state in ("submitting", "running", "saving")


def is_over(document: Stored) -> bool:
    """Return whether an item has ended, as it is stored."""
    return document.get("state") in _ENDED


def ended(document: Stored) -> Stored:
    """Return what is stored of an open item that cannot be read, so that its job ends.

    What it may have cost, where its provider was called, stays counted: it ends as if its provider
    had taken it (`spending/costs.py`).
    """
    read = look(models.Asset, document).value
    sent = was_sent(document)
    cost = models.Asset.model_fields["cost"].default if read is None else read.cost
    timings = {} if read is None else dict(read.timings)
    if sent:
        timings.setdefault("started_at", models.now())
    error = models.AssetError(code=UNREADABLE, message=CHARGED if sent else ITEM)
    return {
        "state": str(models.AssetState.FAILED),
        "error": error.to_document(),
        "lease": None,
        "cancel_requested": False,
        "cost": cost.to_document(),
        "timings": timings | {"failed_at": models.now()},
    }


use_placeholders(models.Job, _job)
use_placeholders(models.Asset, _asset)
use_placeholders(models.User, _user)
