"""The prompt box of the page Create: its data and its messages."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.i18n import N_
from core.i18n import gettext as _
from core.models import PROMPT_MAX_CHARACTERS, Task, User
from core.store import DatabaseError
from core.studio.account import choose_stay
from core.studio.styles import STYLES
from core.studio.variations import can_vary
from core.web import tab_session
from core.web.create.estimate import Estimate
from core.web.create.form import Form
from core.web.create.page_state import PageState
from core.web.frontend import components
from core.web.http.errors import database_unavailable_text
from core.web.resources import studio

NOT_ASKED: Final = N_("That is nothing that this page asks for. Please load it again.")
_PLACEHOLDERS: Final = {
    Task.CREATE: N_("A scene, as you would tell it: what is there, where, in which light …"),
    Task.ANIMATE: N_("What should happen in it? …"),
}


class _Message(BaseModel):
    """A message of the box."""

    model_config = ConfigDict(strict=True)

    #: A number that grows with each message.
    at: float = Field(allow_inf_nan=False)
    name: Literal["create", "vary", "stay", "open"]
    prompt: str = ""
    #: For `stay`: whether to stay on the page after an order.
    on: bool | str | None = None
    #: The terms that the box was given and the user saw; empty: not sent.
    terms: str = ""


def draw(state: PageState, form: Form, user: User, estimate: Estimate) -> None:
    """Draw the box."""
    prompt, token = state.texts.get(state.box, ("", ""))
    components.create_prompt(
        {
            "user": user.id,
            "box": state.box,
            "placeholder": _(_PLACEHOLDERS.get(form.task, "")),
            "written": form.task != Task.UPSCALE,
            "prompt": prompt,
            "token": token,
            "limits": _limits(form),
            "varies": form.task == Task.CREATE and can_vary(studio()),
            "expected": estimate.text,
            "beyond": estimate.exceeds_budget,
            "button": _("Upscale") if form.task == Task.UPSCALE else _("Create"),
            "address": state.write_address(form),
            "terms": form.terms,
            "stay": user.stay,
            "sent": state.sent,
            "heard": state.last_message,
        },
        lambda message: receive(state, message),
    )


def receive(state: PageState, message: str) -> None:
    """Handle a message of the box once, however often Streamlit delivers it."""
    try:
        received = _Message.model_validate_json(message)
    except ValidationError:
        st.toast(_(NOT_ASKED))
        return
    if received.at <= state.last_message:
        return
    state.last_message = received.at
    if received.name == "stay":
        try:
            choose_stay(studio().store, tab_session.require_user(), stay=received.on is True)
        except DatabaseError:
            st.toast(database_unavailable_text())
    elif received.name == "open":
        sent, state.sent = state.sent, None
        if sent is not None:
            tab_session.request_address(sent["href"])
    else:
        state.pending = (received.name, received.prompt, received.terms)


def _limits(form: Form) -> list[Mapping[str, Any]]:
    """Return how long the prompt may be, without the words of the style."""
    style = form.value("style")
    added = 0 if style is None else len(f", {STYLES[style][1]}")
    capabilities = [offer.capability for offer in form.chosen.values()]
    own = [{"most": each.max_prompt - added, "units": each.prompt_units} for each in capabilities]
    return [{"most": PROMPT_MAX_CHARACTERS, "units": "characters"}, *own]
