"""What an owner can do about a job and its items, as buttons of the board."""

from collections.abc import Sequence
from typing import Any, Final

from core.models import OPEN_STATES, Asset, AssetState, Job, JobStatus
from core.outcome import counted

Json = dict[str, Any]

_TO_MAKE_AGAIN: Final = (AssetState.FAILED, AssetState.CANCELLED)


def item_acts(asset: Asset, name: str) -> list[Json]:
    """Return what the owner can do about one item.

    Args:
        asset: the item.
        name: what it is called.
    """
    if asset.state in OPEN_STATES:
        return [_act("cancel", asset.id, "Cancel", f"Cancel {name}")]
    if asset.state in _TO_MAKE_AGAIN:
        return [_act("retry", asset.id, "Try again", f"Try again: {name}")]
    if asset.state == AssetState.UNKNOWN:
        again = _send_again(f"Send {name} again?", [asset])
        return [_act("resend", asset.id, "Send again", f"Send again: {name}", again)]
    return []


def job_acts(job: Job, assets: Sequence[Asset]) -> list[Json]:
    """Return what the owner can do about the whole job with these items."""
    if job.status == JobStatus.PROCESSING:
        if not any(each.state in OPEN_STATES and not each.cancel_requested for each in assets):
            return []
        question = {
            "title": "Cancel this job?",
            "text": (
                "What is ready stays. What has not begun is not made, "
                "and what is under way is stopped where that is possible."
            ),
            "yes": "Cancel the job",
            "no": "Keep going",
        }
        return [_act("cancel", None, "Cancel", "Cancel the job", question)]
    acts = []
    if any(each.state in _TO_MAKE_AGAIN for each in assets):
        missing = "Try the missing ones again"
        acts.append(_act("retry", None, missing, missing))
    if unknown := [each for each in assets if each.state == AssetState.UNKNOWN]:
        again = _send_again(f"Send {counted(unknown)} again?", unknown)
        acts.append(_act("resend", None, "Send again", f"Send again: {counted(unknown)}", again))
    return acts


def _act(name: str, on: str | None, text: str, label: str, question: Json | None = None) -> Json:
    """Return a button.

    Args:
        name: what it asks for: `cancel`, `retry` or `resend`.
        on: the item that it is about; None: the whole job.
        text: what it says.
        label: what it says to those who do not see where it is.
        question: what is asked before it is done; None: it is done at once.
    """
    return {"name": name, "on": on, "text": text, "label": label, "question": question}


def _send_again(title: str, assets: Sequence[Asset]) -> Json:
    it = "It" if len(assets) == 1 else "They"
    return {
        "title": title,
        "text": (
            f"{it} may have been made and charged the first time. "
            f"If you send {'it' if len(assets) == 1 else 'them'} again, "
            f"{it.lower()} may be charged twice."
        ),
        "yes": "Send again",
        "no": "Leave it" if len(assets) == 1 else "Leave them",
    }
