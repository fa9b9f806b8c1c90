"""Suggested variations of the prompt, one for each item, to be edited."""

from collections.abc import Mapping

import streamlit as st

from core.i18n import gettext as _
from core.models import InvalidInput, Kind, parse_prompt
from core.studio.variations import vary
from core.web.create.fields import NUMBERS
from core.web.create.form import Form
from core.web.resources import studio


def suggest(form: Form, prompt: str, user_id: str) -> None:
    """Have a chat model suggest variations of the prompt, which the next run draws.

    Raises:
        InvalidInput: there are none; the text says why.
        DatabaseError: the user's budget could not be read.
    """
    parse_prompt(prompt)
    with st.spinner(_("Thinking of variations …")):
        st.session_state["variations"] = {
            kind: vary(studio(), user_id, prompt, kind, form.value(NUMBERS[kind]))
            for kind in form.offers
        }
    st.session_state["variations_round"] = st.session_state.get("variations_round", 0) + 1


def forget() -> None:
    """Discard the variations."""
    st.session_state.pop("variations", None)


def draw(form: Form) -> dict[Kind, list[str]]:
    """Draw the variations, if there are any; return them as edited, by kind.

    Raises:
        InvalidInput: the browser sent something else than prompts.
    """
    suggested: Mapping[Kind, list[str]] | None = st.session_state.get("variations")
    if suggested is None:
        return {}
    numbers = {kind: form.value(NUMBERS[kind]) for kind in form.offers}
    items = [
        (kind, slot, text)
        for kind, number in numbers.items()
        for slot, text in enumerate((suggested[kind] + [""] * number)[:number], 1)
    ]
    names = {Kind.IMAGE: _("Image {number}"), Kind.VIDEO: _("Video {number}")}
    st.caption(
        _("One prompt for each item; change what you like. An empty one is the prompt above.")
    )
    edited = st.data_editor(
        [{"item": names[kind].format(number=slot), "prompt": text} for kind, slot, text in items],
        column_config={
            "item": st.column_config.TextColumn(_("Item"), disabled=True, width="small"),
            "prompt": st.column_config.TextColumn(_("Prompt")),
        },
        hide_index=True,
        key=f"variations-{st.session_state['variations_round']}-{len(items)}",
    )
    st.button(_("Use the one prompt for all"), type="tertiary", on_click=forget)
    found: dict[Kind, list[str]] = {kind: [] for kind in numbers}
    rows = list(edited)
    texts = [row.get("prompt") or "" for row in rows]
    if len(rows) != len(items) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(_("These prompts cannot be read. Please suggest them anew."))
    for (kind, _slot, _text), text in zip(items, texts, strict=True):
        found[kind].append(text)
    return found
