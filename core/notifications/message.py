"""What a user is told when a job has ended."""

from dataclasses import dataclass
from typing import Final

from core.models import Job, JobStatus

_TITLE_CHARACTERS: Final = 60

_TITLES: Final = {
    JobStatus.COMPLETED: "Your content is ready",
    JobStatus.FAILED: "Your content is ready in part",
    JobStatus.CANCELLED: "Your request was cancelled",
}


_NOTHING_MADE: Final = "Your content could not be made"


@dataclass(frozen=True)
class Message:
    """A message, the same for every channel.

    Attributes:
        title: what happened, with the prompt's beginning.
        text: what there is to see, in a sentence.
        link: the job's page.
    """

    title: str
    text: str
    link: str


def write_message(job: Job, link_base: str) -> Message:
    """Write the message for a job that has ended.

    Args:
        job: a job whose status is not `Processing`.
        link_base: what links start with, such as `https://studio.example.org`.
    """
    images, videos = len(job.image_paths), len(job.video_paths)
    made = f"{_counted(images, 'image')} and {_counted(videos, 'video')}"
    title = _TITLES[job.status]
    text = f"{made} are waiting for you."
    if not images + videos:
        title = _NOTHING_MADE
        text = "Nothing was made; the page says why."
    elif job.status != JobStatus.COMPLETED:
        asked = job.requested
        text = (
            f"{made} of {asked.images} and {asked.videos} were made; "
            "the page says what became of the others."
        )
    return Message(f"{title}: “{_shortened(job.prompt)}”", text, f"{link_base}/job?id={job.id}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shortened(prompt: str) -> str:
    """One line without control characters, so that a prompt cannot write to the terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())
    return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1] + "…"
