"""The actions of an owner on a job and its items, as buttons."""

from collections.abc import Sequence
from typing import Any, Final

from core.i18n import gettext as _
from core.i18n import ngettext
from core.models import OPEN_STATES, Asset, AssetState, Job, JobStatus
from core.models.job_summary import counted
from core.store.work.eta import Eta
from core.studio.jobs import cost_of_sending_again
from core.web.text.money import amounts_text
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_RETRYABLE: Final = (AssetState.FAILED, AssetState.CANCELLED)


def item_actions(asset: Asset, name: str, eta: Eta) -> list[Json]:
    """Return the owner's actions on one item.

    Args:
        asset: the item.
        name: its display name.
        eta: its place in the queue.
    """
    if asset.state in OPEN_STATES:
        actions = [_button("cancel", asset.id, _("Cancel"), _("Cancel {name}").format(name=name))]
        if eta.own.get(asset.id, 1) > 1:
            label = _("Make {name} next").format(name=name)
            actions.insert(0, _button("first", asset.id, _("Make this next"), label))
        return actions
    if asset.state == AssetState.DONE:
        return []
    actions = []
    if asset.kept:
        label = _("Read the kept reply again: {name}").format(name=name)
        actions.append(_button("recover", asset.id, _("Read the kept reply again"), label))
    if asset.state == AssetState.UNKNOWN:
        again = _send_again(_("Send {name} again?").format(name=name), [asset])
        label = _("Send again: {name}").format(name=name)
        return [*actions, _button("resend", asset.id, _("Send again"), label, again)]
    label = _("Try again: {name}").format(name=name)
    if asset.remote_id is not None:
        ask = _("Ask again: {name}").format(name=name)
        actions.append(_button("retry", asset.id, _("Ask again"), ask))
        again = _send_again(_("Make {name} anew?").format(name=name), [asset])
        anew = _("Make anew: {name}").format(name=name)
        return [*actions, _button("resend", asset.id, _("Make anew"), anew, again)]
    if asset.charged:
        again = _send_again(_("Make {name} again?").format(name=name), [asset])
        return [*actions, _button("resend", asset.id, _("Try again"), label, again)]
    return [*actions, _button("retry", asset.id, _("Try again"), label)]


def kept_links(asset: Asset, name: str, view: ViewContext) -> list[Json]:
    """Return links to what is kept of an item's paid call, for its owner and admins.

    Args:
        asset: the item.
        name: its display name.
        view: the view context.
    """
    texts = {
        "reply": (_("Download the reply"), _("Download the reply: {name}")),
        "file": (_("Download the file"), _("Download the file that came: {name}")),
    }
    return [
        _button(f"kept-{what}", asset.id, text, label.format(name=name))
        | {"href": view.address(asset.id, "kept", what=what)}
        for what, (text, label) in texts.items()
        if any(each.what == what for each in asset.kept)
    ]


def job_actions(job: Job, assets: Sequence[Asset], eta: Eta) -> list[Json]:
    """Return the owner's actions on a whole job with these items."""
    if job.status == JobStatus.PROCESSING:
        return _while_in_progress(assets, eta)
    actions = []
    retryable = [each for each in assets if each.state in _RETRYABLE]
    paid = [each for each in retryable if each.charged and each.remote_id is None]
    if len(retryable) > len(paid):
        missing = _("Try the missing ones again")
        actions.append(_button("retry", None, missing, missing))
    if any(each.kept and each.state != AssetState.DONE for each in assets):
        text = _("Read the kept replies again")
        actions.append(_button("recover", None, text, text))
    if unknown := [*(each for each in assets if each.state == AssetState.UNKNOWN), *paid]:
        again = _send_again(_("Send {name} again?").format(name=counted(unknown)), unknown)
        label = _("Send again: {name}").format(name=counted(unknown))
        actions.append(_button("resend", None, _("Send again"), label, again))
    return actions


def _while_in_progress(assets: Sequence[Asset], eta: Eta) -> list[Json]:
    if not any(each.state in OPEN_STATES and not each.cancel_requested for each in assets):
        return []
    actions = []
    if eta.behind:
        actions.append(_button("first", None, _("Make this next"), _("Make this job next")))
    question = {
        "title": _("Cancel this job?"),
        "text": _(
            "What is ready stays. What has not begun is not made, "
            "and what is under way is stopped where that is possible."
        ),
        "yes": _("Cancel the job"),
        "no": _("Keep going"),
    }
    return [*actions, _button("cancel", None, _("Cancel"), _("Cancel the job"), question)]


def _button(name: str, on: str | None, text: str, label: str, question: Json | None = None) -> Json:
    """Return a button.

    Args:
        name: the action; see `core.web.live.action_routes`.
        on: the id of the item; None: the whole job.
        text: the text of the button.
        label: the accessible name, which also says what the action applies to.
        question: a confirmation dialog; None: the action needs none.
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
