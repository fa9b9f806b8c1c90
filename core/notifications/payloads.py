"""What is posted to a webhook: JSON of our own, or what Slack or Discord understand."""

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final

from core.i18n import gettext as _
from core.i18n import ngettext
from core.models import Kind, NoticeKind, WebhookFormat
from core.notifications.message import JobReport, Message, shortened

# Discord refuses more than 2,000 characters; Slack asks for no more than 4,000.
_SLACK_CHARACTERS: Final = 4000
_DISCORD_CHARACTERS: Final = 2000
_TITLE_CHARACTERS: Final = 200
_TEXT_CHARACTERS: Final = 500


def write_payload(form: WebhookFormat, message: Message) -> dict[str, Any]:
    """Return a message in the form that a webhook's receiver understands, to be sent as JSON."""
    return _PAYLOADS[form](message)


def _for_fivefold(message: Message) -> dict[str, Any]:
    ended = "job.ended" if len(message.jobs) == 1 else "jobs.ended"
    return {
        "type": "test" if message.kind == NoticeKind.TEST else ended,
        "timestamp": message.created_at.isoformat(),
        "data": {
            "title": message.title,
            "text": message.text,
            "link": message.link,
            "jobs": [_as_json(report) for report in message.jobs],
        },
    }


def _as_json(report: JobReport) -> dict[str, Any]:
    said = ("job_id", "prompt", "status", "title", "text", "link")
    return {name: getattr(report, name) for name in said} | {
        "images": sum(asset.kind == Kind.IMAGE for asset in report.assets),
        "videos": sum(asset.kind == Kind.VIDEO for asset in report.assets),
    }


def _for_slack(message: Message) -> dict[str, Any]:
    """Write for Slack: https://docs.slack.dev/messaging/formatting-message-text."""

    def plain(text: str) -> str:
        return escape(text, quote=False)

    return {
        "text": _written(
            message, plain, lambda url: f"<{plain(url)}|{_('Open')}>", _SLACK_CHARACTERS
        )
    }


def _for_discord(message: Message) -> dict[str, Any]:
    """Write for Discord: https://docs.discord.com/developers/resources/webhook."""

    def plain(text: str) -> str:
        return re.sub(r"[\\*_~`|<>\[\]():@#-]", r"\\\g<0>", text)

    return {
        "content": _written(message, plain, lambda url: f"<{url}>", _DISCORD_CHARACTERS),
        "allowed_mentions": {"parse": []},
    }


_PAYLOADS: Final[Mapping[WebhookFormat, Callable[[Message], dict[str, Any]]]] = {
    WebhookFormat.FIVEFOLD: _for_fivefold,
    WebhookFormat.SLACK: _for_slack,
    WebhookFormat.DISCORD: _for_discord,
}


def _written(
    message: Message, plain: Callable[[str], str], link: Callable[[str], str], limit: int
) -> str:
    """Return a message as text; of a digest, as many jobs as there is room for."""
    lines = [plain(shortened(message.text, _TEXT_CHARACTERS))]
    if len(message.jobs) > 1:
        lines = [f"• {plain(report.line)} {link(report.link)}" for report in message.jobs]

    def first(number: int) -> str:
        left = len(lines) - number
        more = ngettext("… and {count} more", "… and {count} more", left).format(count=left)
        shown = [*lines[:number], *([more] if left else [])]
        title = plain(shortened(message.title, _TITLE_CHARACTERS))
        return "\n".join([title, *shown, link(message.link)])

    number = len(lines)
    while number and len(first(number).encode("utf-16-le")) // 2 > limit:
        number -= 1
    return first(number)
