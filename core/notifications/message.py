"""What a message says, the same for every channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from core.i18n import gettext as _
from core.models import Asset, AssetState, Job, JobStatus, Notice, NoticeKind
from core.models.job_summary import ending, headline

_TITLE_CHARACTERS: Final = 60
_JOINERS: Final = "\u200c\u200d"  # of emoji, and within words of some languages


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """What a message says of one job.

    Attributes:
        job_id: the job.
        prompt: its prompt, as typed.
        status: where it stands.
        title: what happened, in a few words.
        text: what there is to see, in a sentence or two.
        link: its page.
        assets: what was made, in the order in which it is shown.
    """

    job_id: str
    prompt: str
    status: JobStatus
    title: str
    text: str
    link: str
    assets: tuple[Asset, ...] = ()

    @property
    def shown(self) -> tuple[Asset, ...]:
        """What was made and does not lie in the bin; for pictures in the message."""
        return tuple(each for each in self.assets if each.binned_at is None)

    @property
    def headline(self) -> str:
        """The title with the prompt's beginning, on one line of printable characters."""
        return _("{title}: “{prompt}”").format(title=self.title, prompt=shortened(self.prompt))

    @property
    def line(self) -> str:
        """The prompt's beginning with what there is to see, on one line."""
        return _("“{prompt}”: {text}").format(prompt=shortened(self.prompt), text=self.text)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message to one recipient.

    Attributes:
        id: the same whenever this is sent again; letters, digits and hyphens.
        kind: what it is about.
        title: what happened, on one line of printable characters, with the prompt's beginning.
        text: a sentence or two.
        link: where it leads: the job's page, or the link that confirms an address.
        created_at: when there was something to report.
        jobs: the jobs it is about: one, or those of a digest.
    """

    id: str
    kind: NoticeKind
    title: str
    text: str
    link: str
    created_at: datetime
    jobs: tuple[JobReport, ...] = ()


def write_message(
    notices: Sequence[Notice],
    found: Sequence[tuple[Job, Sequence[Asset]]],
    link_base: str,
    *,
    link: str = "",
) -> Message:
    """Write what rows of the outbox say.

    Args:
        notices: one row, or those of a digest.
        found: the jobs that they announce, with their assets.
        link_base: what links start with, such as `https://studio.example.org`.
        link: where it leads, where it announces no job.
    """
    first = notices[0]
    reports = tuple(_report(job, assets, link_base) for job, assets in found)
    if first.kind == NoticeKind.CONFIRM:
        title = _("Please confirm your e-mail address")
        text = _(
            "“{user}” would like to be told at this address when images and videos are ready. "
            "Nothing else is sent here before you agree."
        ).format(user=_unlinked(first.user_id))
    elif first.kind == NoticeKind.TEST:
        title, text = _("This is a test"), _("Messages from Fivefold reach you here.")
        link = f"{link_base}/notifications"
    elif len(reports) == 1:
        [one] = reports
        title, text, link = one.headline, one.text, one.link
    else:
        title = _("{count} of your requests have ended").format(count=len(reports))
        text = "; ".join(each.line for each in reports)
        link = f"{link_base}/"
    return Message(
        id=_stable(notices),
        kind=first.kind,
        title=title,
        text=text,
        link=link,
        created_at=first.created_at,
        jobs=reports,
    )


def shortened(prompt: str, characters: int = _TITLE_CHARACTERS) -> str:
    """One line without control characters, so that a prompt cannot write to the terminal."""
    plain = (c if c.isprintable() or c in _JOINERS else " " for c in prompt)
    line = " ".join("".join(plain).split())
    if not line.strip(_JOINERS):
        return "…"
    return line if len(line) <= characters else line[: characters - 1] + "…"


def _unlinked(user_id: str) -> str:
    """Return a user_id, which strangers choose, so that no mail program makes a link of it."""
    return user_id.replace(".", "\u2060.\u2060")


def _report(job: Job, assets: Sequence[Asset], link_base: str) -> JobReport:
    return JobReport(
        job_id=job.id,
        prompt=job.prompt,
        status=job.status,
        title=headline(job, assets),
        text=ending(job, assets),
        link=f"{link_base}/job?id={job.id}",
        assets=tuple(each for each in assets if each.state == AssetState.DONE),
    )


def _stable(notices: Sequence[Notice]) -> str:
    """Return the same id for the same rows, so that receivers know what was sent again."""
    if len(notices) == 1:
        return notices[0].id
    rows = "\n".join(sorted(notice.id for notice in notices))
    return f"digest-{sha256(rows.encode()).hexdigest()[:32]}"
