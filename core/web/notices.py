"""What the page “Notifications” shows, as plain JSON, and what its buttons do."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from core.models import (
    Address,
    ChannelName,
    InvalidInput,
    Job,
    Notice,
    NoticeKind,
    NoticeStatus,
    User,
    Webhook,
    When,
    now,
)
from core.models.notices import ALWAYS
from core.models.times import parse_moment, parse_zone
from core.notifications.message import shortened
from core.outcome import CHANNEL_TITLES
from core.store import Store
from core.web.board import channels_text, wish_text
from core.web.view import View

Json = dict[str, Any]

_KINDS: Final = {
    NoticeKind.CONFIRM: "The mail that asks whether this address wants others",
    NoticeKind.TEST: "A test",
}
_SEND_NOW: Final = ("send_now", "Send now")
_RESCHEDULE: Final = ("reschedule", "Another time")
_TITLE_CHARACTERS: Final = 200
_TOO_LATE: Final = "It was just sent, or is being sent."
_SHOWN: Final = 40
_SOON_SECONDS: Final = 60.0
_BUSY_SECONDS: Final = 2.0


def overview(store: Store, user: User, view: View) -> Json:
    """Return what is due, what failed and what was sent, to be drawn.

    `pace` in it says after how many seconds it is worth looking again; None: never.

    Args:
        store: the database.
        user: whose notices.
        view: who looks, and when.
    """
    due = store.outbox.of_user(user.id, [NoticeStatus.DUE], _SHOWN)
    failed = store.outbox.of_user(user.id, [NoticeStatus.FAILED], _SHOWN)
    sent = store.outbox.of_user(user.id, [NoticeStatus.SENT], _SHOWN)
    # Who does not sit at the terminal has nothing from what is printed there.
    due, sent = ([each for each in rows if each.channel != ALWAYS] for rows in (due, sent))
    making = store.jobs.processing(user.id)
    job_ids = {notice.job_id for notice in (*due, *failed, *sent) if notice.job_id}
    prompts = store.jobs.prompts(list(job_ids))
    sections = [
        {
            "id": "due",
            "title": "On its way",
            "empty": "Nothing is on its way. What you create is announced here first.",
            "rows": [
                *(planned(job, user, view) for job in making),
                *(row(notice, prompts, view) for notice in due),
            ],
        },
        {
            "id": "failed",
            "title": "Could not be sent",
            "empty": "",
            "rows": [row(notice, prompts, view) for notice in failed],
        },
        {
            "id": "sent",
            "title": "Sent",
            "empty": "Nothing was sent yet.",
            "rows": [row(notice, prompts, view) for notice in sent],
        },
    ]
    soon = view.today + timedelta(seconds=_SOON_SECONDS)
    busy = making or any(notice.due_at < soon for notice in due)
    return {
        "sections": [each for each in sections if each["rows"] or each["empty"]],
        "pace": _BUSY_SECONDS if busy else _SOON_SECONDS / 2 if due else None,
    }


def row(notice: Notice, prompts: Mapping[str, str], view: View) -> Json:
    """Return one row of the outbox.

    Args:
        notice: the row.
        prompts: prompts by job id.
        view: who looks, and when.
    """
    sending = notice.lease is not None and notice.lease.until > view.today
    acts = []
    if notice.status == NoticeStatus.DUE and not sending:
        acts = [_SEND_NOW, _RESCHEDULE, ("cancel", "Do not send")]
    if notice.status == NoticeStatus.FAILED:
        acts = [_SEND_NOW, ("cancel", "Put away")]
    what = shortened(prompts.get(notice.job_id or "", ""), _TITLE_CHARACTERS)
    return {
        "id": notice.id,
        "on": "notice",
        "state": str(notice.status),
        "channel": CHANNEL_TITLES[ChannelName(notice.channel)],
        "to": notice.recipient if notice.channel == ChannelName.EMAIL else "",
        "title": notice.title or _KINDS.get(notice.kind) or what,
        "href": f"/job?id={notice.job_id}" if notice.job_id else None,
        "label": _label(notice, view, sending=sending),
        "error": notice.error or "",
        "local": _local(notice, view),
        "acts": acts,
    }


def planned(job: Job, user: User, view: View) -> Json:
    """Return how a job that is still being made will be announced."""
    wish = job.notify
    to = wish.email or user.email if ChannelName.EMAIL in wish.channels else None
    return {
        "id": job.id,
        "on": "job",
        "state": "planned",
        "channel": channels_text(wish),
        "to": to or "",
        "title": shortened(job.prompt, _TITLE_CHARACTERS),
        "href": f"/job?id={job.id}",
        "label": wish_text(wish, view),
        "error": "",
        "local": "",
        "acts": [_RESCHEDULE, *([("cancel", "Do not tell me")] if wish.channels else [])],
    }


def address_text(address: Address | None) -> str:
    """Return where the confirmation of an address stands, in a sentence."""
    if address is None:
        return ""
    if address.unsubscribed_at is not None:
        return "Its owner wants no more mail. A new confirmation changes that."
    if address.takes_mail:
        return "Confirmed."
    return (
        f"Please follow the link in the mail to {address.address}. Until then nothing else comes."
    )


def webhook_place(webhook: Webhook) -> str:
    """Return where a webhook leads, without what is secret in its address."""
    return urlsplit(webhook.url).hostname or ""


def carry_out(store: Store, user: User, asked: str, zone: str) -> str:
    """Do what a button asks for, and return what to tell; nothing where all went well.

    Args:
        store: the database.
        user: who asks; another's notices and jobs are left alone.
        asked: JSON: `name` of the button, `id` and `on` of its row, `local`: a date and time.
        zone: whose clock that is read on.

    Raises:
        InvalidInput: there is no such button, or no such time.
    """
    try:
        parsed = json.loads(asked)
        name, key, on = (str(parsed[each]) for each in ("name", "id", "on"))
    except (ValueError, LookupError, TypeError, RecursionError):
        name = key = on = ""
    acts_on = {"notice": ("send_now", "reschedule", "cancel"), "job": ("reschedule", "cancel")}
    if name not in acts_on.get(on, ()) or not key.isascii():
        raise InvalidInput("There is no such button.")
    due_at = None
    if name == "reschedule":
        due_at = parse_moment(str(parsed.get("local", "")), parse_zone(zone))
    if on == "job":
        _change_plan(store, user, key, due_at, zone)
        return ""
    acts = {
        "send_now": lambda: store.outbox.send_now(key, user.id),
        "cancel": lambda: store.outbox.cancel(key, user.id),
        "reschedule": lambda: store.outbox.reschedule(key, user.id, due_at or now()),
    }
    return "" if acts[name]() else _TOO_LATE


def _change_plan(store: Store, user: User, job_id: str, due_at: datetime | None, zone: str) -> None:
    job = store.jobs.get(job_id, user.id)
    if job is None:
        raise InvalidInput("There is no such job.")
    if due_at is None:
        changes: Json = {"channels": ()}
    else:
        channels = job.notify.channels or user.notify.channels
        changes = {"channels": channels, "when": When.AT, "at": due_at, "timezone": zone}
    store.jobs.announce(job_id, user.id, job.notify.model_copy(update=changes))


def _label(notice: Notice, view: View, *, sending: bool) -> str:
    if notice.status == NoticeStatus.SENT and notice.sent_at is not None:
        return f"Sent {view.moment(notice.sent_at)}"
    if notice.status == NoticeStatus.FAILED:
        return f"Given up {view.moment(notice.due_at)}"
    if sending:
        return "Being sent"
    if notice.due_at <= view.today:
        return "Due now"
    again = "Tried again" if notice.error else "Due"
    digest = ", in the digest" if notice.digest else ""
    return f"{again} {view.moment(notice.due_at)}{digest}"


def _local(notice: Notice, view: View) -> str:
    """Return when a row is due, as a browser's field for a date and time takes it."""
    return max(notice.due_at, view.today).astimezone(view.zone).strftime("%Y-%m-%dT%H:%M")
