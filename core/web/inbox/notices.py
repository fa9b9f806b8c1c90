"""The page “Notifications” as JSON, and the actions of its buttons."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from core.i18n import N_, translated
from core.i18n import gettext as _
from core.models import (
    EMAIL,
    TERMINAL,
    EmailAddress,
    InvalidInput,
    Job,
    Notice,
    NoticeKind,
    NoticeStatus,
    User,
    Webhook,
)
from core.models.times import parse_moment, parse_zone
from core.notifications.message import shortened
from core.notifications.registry import channel_title
from core.store import Store
from core.studio.notices import change_notice, change_planned_notice
from core.web.jobs.snapshot import channels_text, notify_text
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_KINDS: Final = {
    NoticeKind.CONFIRM: N_("The mail that asks whether this address wants others"),
    NoticeKind.TEST: N_("A test"),
}
_SEND_NOW: Final = ("send_now", N_("Send now"))
_RESCHEDULE: Final = ("reschedule", N_("Another time"))
_TITLE_CHARACTERS: Final = 200
_TOO_LATE: Final = N_("It was just sent, or is being sent.")
_SHOWN: Final = 40


def overview(store: Store, user: User, view: ViewContext) -> Json:
    """Return the notices that are due, failed or sent, by section.

    `now` is the time at which they were read.

    Args:
        store: the database.
        user: whose notices.
        view: the view context.
    """
    due = store.notices.of_user(user.id, [NoticeStatus.DUE], _SHOWN)
    failed = store.notices.of_user(user.id, [NoticeStatus.FAILED], _SHOWN)
    sent = store.notices.of_user(user.id, [NoticeStatus.SENT], _SHOWN)
    # Users in a browser cannot see the terminal.
    due, sent = ([each for each in rows if each.channel != TERMINAL] for rows in (due, sent))
    in_progress = store.jobs.processing(user.id)
    job_ids = {notice.job_id for notice in (*due, *failed, *sent) if notice.job_id}
    prompts = store.jobs.prompts(list(job_ids))
    sections = [
        {
            "id": "due",
            "title": _("On its way"),
            "empty": _("Nothing is on its way. What you create is announced here first."),
            "rows": [
                *(planned(job, user, view) for job in in_progress),
                *(row(notice, prompts, view) for notice in due),
            ],
        },
        {
            "id": "failed",
            "title": _("Could not be sent"),
            "empty": "",
            "rows": [row(notice, prompts, view) for notice in failed],
        },
        {
            "id": "sent",
            "title": _("Sent"),
            "empty": _("Nothing was sent yet."),
            "rows": [row(notice, prompts, view) for notice in sent],
        },
    ]
    return {
        "now": view.today.isoformat(),
        "sections": [each for each in sections if each["rows"] or each["empty"]],
    }


def row(notice: Notice, prompts: Mapping[str, str], view: ViewContext) -> Json:
    """Return a notice as a row.

    Args:
        notice: the row.
        prompts: prompts by job id.
        view: the view context.
    """
    sending = notice.lease is not None and notice.lease.until > view.today
    acts = []
    if notice.status == NoticeStatus.DUE and not sending:
        acts = [_SEND_NOW, _RESCHEDULE, ("cancel", N_("Do not send"))]
    if notice.status == NoticeStatus.FAILED:
        acts = [_SEND_NOW, ("cancel", N_("Put away"))]
    what = shortened(prompts.get(notice.job_id or "", ""), _TITLE_CHARACTERS)
    return {
        "id": notice.id,
        "on": "notice",
        "state": str(notice.status),
        "channel": channel_title(notice.channel),
        "to": notice.recipient if notice.recipient != notice.user_id else "",
        "title": notice.title or _(_KINDS.get(notice.kind, "")) or what,
        "href": f"/job?id={notice.job_id}" if notice.job_id else None,
        "label": _label(notice, view, sending=sending),
        "error": translated(notice.error or ""),
        "local": _local(notice, view),
        "acts": [(name, _(label)) for name, label in acts],
    }


def planned(job: Job, user: User, view: ViewContext) -> Json:
    """Return the planned notice of a job in progress, as a row."""
    notify = job.notify
    acts = [_RESCHEDULE, *([("cancel", N_("Do not tell me"))] if notify.channels else [])]
    to = notify.email or user.email if EMAIL in notify.channels else None
    return {
        "id": job.id,
        "on": "job",
        "state": "planned",
        "channel": channels_text(notify),
        "to": to or "",
        "title": shortened(job.prompt, _TITLE_CHARACTERS),
        "href": f"/job?id={job.id}",
        "label": notify_text(notify, view),
        "error": "",
        "local": "",
        "acts": [(name, _(label)) for name, label in acts],
    }


def address_text(address: EmailAddress | None) -> str:
    """Return the state of an address's confirmation, in a sentence."""
    if address is None:
        return ""
    if address.unsubscribed_at is not None:
        return _("Its owner wants no more mail. A new confirmation changes that.")
    if address.takes_mail:
        return _("Confirmed.")
    return _(
        "Please follow the link in the mail to {address}. Until then nothing else comes."
    ).format(address=address.address)


def webhook_place(webhook: Webhook) -> str:
    """Return the host of a webhook, without the secrets in its address."""
    return urlsplit(webhook.url).hostname or ""


def carry_out(store: Store, user: User, message: str, zone: str) -> str:
    """Carry out a button's action; return a message for the user, empty where it succeeded.

    Args:
        store: the database.
        user: the requester; notices and jobs of others are not changed.
        message: JSON: `name` of the button, `id` and `on` of its row, `local`: a date and time.
        zone: the name of the zone of `local`.

    Raises:
        InvalidInput: there is no such action, or no such time.
    """
    try:
        parsed = json.loads(message)
        name, key, on = (str(parsed[each]) for each in ("name", "id", "on"))
    except (ValueError, LookupError, TypeError, RecursionError):
        name = key = on = ""
    actions_of = {"notice": ("send_now", "reschedule", "cancel"), "job": ("reschedule", "cancel")}
    if name not in actions_of.get(on, ()) or not key.isascii():
        raise InvalidInput(_("There is no such button."))
    due_at = None
    if name == "reschedule":
        due_at = parse_moment(str(parsed.get("local", "")), parse_zone(zone))
    if on == "job":
        change_planned_notice(store, user, key, due_at, zone)
        return ""
    return "" if change_notice(store, user, key, name, due_at) else _(_TOO_LATE)


def _label(notice: Notice, view: ViewContext, *, sending: bool) -> str:
    if notice.status == NoticeStatus.SENT and notice.sent_at is not None:
        return _("Sent {moment}").format(moment=view.moment(notice.sent_at))
    if notice.status == NoticeStatus.FAILED:
        return _("Given up {moment}").format(moment=view.moment(notice.due_at))
    if sending:
        return _("Being sent")
    if notice.due_at <= view.today:
        return _("Due now")
    label = _("Tried again {moment}") if notice.error else _("Due {moment}")
    if notice.digest:
        label = (
            _("Tried again {moment}, in the digest")
            if notice.error
            else _("Due {moment}, in the digest")
        )
    return label.format(moment=view.moment(notice.due_at))


def _local(notice: Notice, view: ViewContext) -> str:
    """Return when a row is due, as a browser's field for a date and time takes it."""
    return max(notice.due_at, view.today).astimezone(view.zone).strftime("%Y-%m-%dT%H:%M")
