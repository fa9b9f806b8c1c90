"""What an owner can do about a job and its items, as buttons of the board."""

from collections.abc import Sequence
from typing import Any, Final

from core.i18n import gettext as _
from core.i18n import ngettext
from core.models import OPEN_STATES, Asset, AssetState, Job, JobStatus
from core.models.job_summary import counted
from core.store.work.eta import Eta
from core.studio.jobs import cost_of_sending_again
from core.web.text.money import amounts_text
from core.web.text.viewer import View

Json = dict[str, Any]

_TO_MAKE_AGAIN: Final = (AssetState.FAILED, AssetState.CANCELLED)


def item_acts(asset: Asset, name: str, eta: Eta) -> list[Json]:
    """Return what the owner can do about one item.

    Args:
        asset: the item.
        name: what it is called.
        eta: where it waits.
    """
    if asset.state in OPEN_STATES:
        acts = [_act("cancel", asset.id, _("Cancel"), _("Cancel {name}").format(name=name))]
        if eta.own.get(asset.id, 1) > 1:
            label = _("Make {name} next").format(name=name)
            acts.insert(0, _act("first", asset.id, _("Make this next"), label))
        return acts
    if asset.state == AssetState.DONE:
        return []
    acts = []
    if asset.kept:
        label = _("Read the kept reply again: {name}").format(name=name)
        acts.append(_act("recover", asset.id, _("Read the kept reply again"), label))
    if asset.state == AssetState.UNKNOWN:
        again = _send_again(_("Send {name} again?").format(name=name), [asset])
        label = _("Send again: {name}").format(name=name)
        return [*acts, _act("resend", asset.id, _("Send again"), label, again)]
    label = _("Try again: {name}").format(name=name)
    if asset.remote_id is not None:
        ask = _("Ask again: {name}").format(name=name)
        acts.append(_act("retry", asset.id, _("Ask again"), ask))
        again = _send_again(_("Make {name} anew?").format(name=name), [asset])
        anew = _("Make anew: {name}").format(name=name)
        return [*acts, _act("resend", asset.id, _("Make anew"), anew, again)]
    if asset.charged:
        again = _send_again(_("Make {name} again?").format(name=name), [asset])
        return [*acts, _act("resend", asset.id, _("Try again"), label, again)]
    return [*acts, _act("retry", asset.id, _("Try again"), label)]


def kept_links(asset: Asset, name: str, view: View) -> list[Json]:
    """Return where what is kept of an item is downloaded; its owner and admins may.

    Args:
        asset: the item.
        name: what it is called.
        view: who looks.
    """
    texts = {
        "reply": (_("Download the reply"), _("Download the reply: {name}")),
        "file": (_("Download the file"), _("Download the file that came: {name}")),
    }
    return [
        _act(f"kept-{what}", asset.id, text, label.format(name=name))
        | {"href": view.address(asset.id, "kept", what=what)}
        for what, (text, label) in texts.items()
        if any(each.what == what for each in asset.kept)
    ]


def job_acts(job: Job, assets: Sequence[Asset], eta: Eta) -> list[Json]:
    """Return what the owner can do about the whole job with these items."""
    if job.status == JobStatus.PROCESSING:
        return _while_made(assets, eta)
    acts = []
    unmade = [each for each in assets if each.state in _TO_MAKE_AGAIN]
    paid = [each for each in unmade if each.charged and each.remote_id is None]
    if len(unmade) > len(paid):
        missing = _("Try the missing ones again")
        acts.append(_act("retry", None, missing, missing))
    if any(each.kept and each.state != AssetState.DONE for each in assets):
        text = _("Read the kept replies again")
        acts.append(_act("recover", None, text, text))
    if unknown := [*(each for each in assets if each.state == AssetState.UNKNOWN), *paid]:
        again = _send_again(_("Send {name} again?").format(name=counted(unknown)), unknown)
        label = _("Send again: {name}").format(name=counted(unknown))
        acts.append(_act("resend", None, _("Send again"), label, again))
    return acts


def _while_made(assets: Sequence[Asset], eta: Eta) -> list[Json]:
    if not any(each.state in OPEN_STATES and not each.cancel_requested for each in assets):
        return []
    acts = []
    if eta.behind:
        acts.append(_act("first", None, _("Make this next"), _("Make this job next")))
    question = {
        "title": _("Cancel this job?"),
        "text": _(
            "What is ready stays. What has not begun is not made, "
            "and what is under way is stopped where that is possible."
        ),
        "yes": _("Cancel the job"),
        "no": _("Keep going"),
    }
    return [*acts, _act("cancel", None, _("Cancel"), _("Cancel the job"), question)]


def _act(name: str, on: str | None, text: str, label: str, question: Json | None = None) -> Json:
    """Return a button.

    Args:
        name: what it asks for; see `core.web.live.action_routes`.
        on: the item that it is about; None: the whole job.
        text: what it says.
        label: what it says to those who do not see where it is.
        question: what is asked before it is done; None: it is done at once.
    """
    return {"name": name, "on": on, "text": text, "label": label, "question": question}


def _send_again(title: str, assets: Sequence[Asset]) -> Json:
    text = ngettext(
        "It may have been made and charged the first time. "
        "If you send it again, it may be charged twice.",
        "They may have been made and charged the first time. "
        "If you send them again, they may be charged twice.",
        len(assets),
    )
    if amounts := amounts_text(cost_of_sending_again(assets)):
        expected = _("It is expected to cost about {amounts} again.").format(amounts=amounts)
        text = f"{text} {expected}"
    return {
        "title": title,
        "text": text,
        "yes": _("Send again"),
        "no": ngettext("Leave it", "Leave them", len(assets)),
    }
