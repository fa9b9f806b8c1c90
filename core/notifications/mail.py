"""What a message looks like as a mail: plain text, and HTML with small pictures in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy
from itertools import islice
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core.i18n import N_, language, ngettext
from core.i18n import gettext as _
from core.media.storage import ContentStore
from core.models import NoticeKind
from core.models.job_summary import KINDS
from core.notifications.channels import Recipient
from core.notifications.message import JobReport, Message, shortened
from core.notifications.thumbnails import Thumbnail, make_thumbnail
from core.store.accounts.email_addresses import LINK_DAYS

_HERE: Final = Path(__file__).parent
_MARK: Final = (_HERE / "mark.png").read_bytes()

_ROW: Final = 562  # CSS pixels that a row of pictures has
_SPACE: Final = 12  # of these, around each picture
_OF_A_KIND: Final = 4  # pictures of a job that has the mail to itself, of images and of videos
_OF_EACH: Final = 3  # pictures of a job in a digest
_ALTOGETHER: Final = 12  # pictures in a digest
_PICTURE_BYTES: Final = 360_000  # of all in a mail; Base64 makes it a third more
_SECTIONS: Final = 10
_LINKS: Final = 30
_SUBJECT_CHARACTERS: Final = 150
_PROMPT_CHARACTERS: Final = 300
_PREHEADER_CHARACTERS: Final = 120
_ENCODING: Final = "quoted-printable"  # for servers that take neither eight bits nor long lines

_BUTTONS: Final = {
    NoticeKind.JOB: N_("Open Fivefold"),
    NoticeKind.CONFIRM: N_("Confirm this address"),
    NoticeKind.TEST: N_("Open “Notifications”"),
}
_templates: Final = Environment(
    loader=FileSystemLoader(_HERE),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(_=_, ngettext=ngettext)


class _Unfolded(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]  # typeshed's `max_count`
    """A header of links: the library would encode (RFC 2047) what is too long for a line."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
_headers.map_to_type("List-Unsubscribe", _Unfolded)
_POLICY: Final = policy.SMTP.clone(header_factory=_headers)


@dataclass(frozen=True, kw_only=True)
class _Section:
    """What a mail says of one job."""

    report: JobReport
    prompt: str
    columns: int
    groups: Sequence[Sequence[Thumbnail]]

    @property
    def pictures(self) -> list[Thumbnail]:
        """All pictures; each group begins a row of its own, so that none leaves a hole."""
        return [picture for group in self.groups for picture in group]

    @property
    def more(self) -> int:
        """How many pictures and clips are on its page only."""
        return len(self.report.shown) - len(self.pictures)


def mailbox(address: str, name: str = "") -> Address:
    """Return an e-mail address, as `parse_address` spells it, for a header."""
    local_part, _at, domain = address.rpartition("@")
    return Address(name, local_part, domain)


def render_mail(
    message: Message, recipient: Recipient, sender: Address, content: ContentStore
) -> EmailMessage:
    """Write a message as a mail.

    Its Message-ID is the same whenever the same message is written anew, so that a receiver who
    gets it twice can drop one.

    Args:
        message: what is said.
        recipient: whom it goes to, at an address as `parse_address` spells it.
        sender: whom it comes from; without a name it is “Fivefold”.
        content: where previews are; one that is missing or broken is left out.
    """
    mail = EmailMessage(_POLICY)
    mail["From"] = Address(sender.display_name or "Fivefold", sender.username, sender.domain)
    mail["To"] = mailbox(recipient.address)
    mail["Subject"] = shortened(message.title, _SUBJECT_CHARACTERS)
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
    mail["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    if recipient.unsubscribe:
        mail["List-Unsubscribe"] = f"<{recipient.unsubscribe}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, section 3.1

    sections = _sections(message.jobs[:_SECTIONS], content)
    said = {
        "message": message,
        "recipient": recipient,
        "preheader": shortened(message.text, _PREHEADER_CHARACTERS),
        "sections": sections,
        "links": message.jobs[_SECTIONS:][:_LINKS],
        "unlisted": max(0, len(message.jobs) - _SECTIONS - _LINKS),
        "language": language(),
        "button": _(_BUTTONS[message.kind]),
        "link_days": LINK_DAYS,
    }
    mail.set_content(_templates.get_template("mail.txt.j2").render(said), cte=_ENCODING)
    mail.make_alternative()
    html = EmailMessage(_POLICY)
    html.set_content(
        _templates.get_template("mail.html.j2").render(said), subtype="html", cte=_ENCODING
    )
    _attach(html, "mark", _MARK, "png")
    for picture in (each for section in sections for each in section.pictures):
        _attach(html, picture.name, picture.jpeg, "jpeg")
    mail.attach(html)
    return mail


def _attach(html: EmailMessage, name: str, picture: bytes, subtype: str) -> None:
    """Put a picture into a mail, where its HTML names it `cid:<name>@fivefold`."""
    html.add_related(
        picture,
        "image",
        subtype,
        cid=f"<{name}@fivefold>",
        disposition="inline",
        filename=f"{name}.{subtype}",
    )


def _sections(jobs: Sequence[JobReport], content: ContentStore) -> list[_Section]:
    """Return what is said of the jobs, with pictures until there are enough of them."""
    alone = len(jobs) == 1
    left = _OF_A_KIND * len(KINDS) if alone else _ALTOGETHER
    bytes_each = _PICTURE_BYTES // left
    sections = []
    for report in jobs:
        columns = 2 if alone and not _is_upright(report) else 3
        width = _ROW // columns - _SPACE
        groups = []
        for kind in KINDS if alone else [None]:
            assets = [each for each in report.shown if kind in (each.kind, None)]
            made = (make_thumbnail(asset, content, width, bytes_each) for asset in assets)
            most = min(left, _OF_A_KIND if alone else _OF_EACH)
            groups.append(list(islice(filter(None, made), most)))
            left -= len(groups[-1])
        prompt = shortened(report.prompt, _PROMPT_CHARACTERS)
        sections.append(_Section(report=report, prompt=prompt, columns=columns, groups=groups))
    return sections


def _is_upright(report: JobReport) -> bool:
    return any((asset.height or 0) > (asset.width or 0) for asset in report.shown[:1])
