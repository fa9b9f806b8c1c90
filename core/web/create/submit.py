"""Carrying out the prompt box's action: placing the order, or suggesting variations."""

from typing import Final

import streamlit as st

from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, Job, User
from core.studio.jobs import place_order
from core.studio.order import Order
from core.web import tab_session
from core.web.create import variations, widgets
from core.web.create.form import Form
from core.web.create.page_state import PageState
from core.web.resources import studio

_QUOTED: Final = 80

NOT_OFFERED: Final = N_(
    "What was chosen here is not offered: {names}. Nothing was ordered; please look at the form "
    "again."
)
TERMS_CHANGED: Final = N_(
    "Who makes this, or what it costs, is not what this page showed. Nothing was ordered; please "
    "look at the form again."
)


def submit(state: PageState, form: Form, extras: widgets.Extras, user: User) -> None:
    """Carry out the pending action of the box, if there is one.

    Raises:
        InvalidInput: it cannot be done; the text says why.
        DatabaseError: it was not stored.
    """
    pending, state.pending = state.pending, None
    shown, state.terms = state.terms, form.terms
    refused = [*form.drop_unknown(), *state.refused]
    state.refused.clear()  # the form that is drawn holds the same list
    if refused:
        names = ", ".join(dict.fromkeys(form.title(name) for name in refused))
        raise InvalidInput(_(NOT_OFFERED).format(names=names))
    if pending is None:
        return
    name, prompt, terms = pending
    if name == "vary":
        variations.suggest(form, prompt, user.id)
        st.rerun()
    if (terms or shown) != form.terms or state.problem:
        raise InvalidInput(_(TERMS_CHANGED))
    if extras.problem:
        raise InvalidInput(extras.problem)
    order = Order.of(
        form.selection,
        user_id=user.id,
        prompt=prompt,
        accepted=extras.accepted,
        notify=extras.notify,
        variations=extras.variations,
    )
    job = place_order(studio(), order)
    state.set_prompt("")
    variations.forget()
    if not user.stay:
        st.switch_page(tab_session.all_pages()["/job"], query_params={"id": job.id})
    state.sent = _sent(job)


def _sent(job: Job) -> dict[str, str]:
    text = " ".join(job.prompt.split())
    short = text if len(text) <= _QUOTED else f"{text[:_QUOTED].rstrip()} …"
    message = _("“{prompt}” is being made.").format(prompt=short)
    return {"id": job.id, "href": f"/job?id={job.id}", "text": message}
