"""Drawing the form on Create: what can be chosen of what the providers declare."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from core.i18n import N_, ngettext
from core.i18n import gettext as _
from core.models import InvalidInput, Kind, Notify, Task, User, parse_prompt
from core.providers.base import AUTO
from core.studio.styles import STYLES
from core.studio.variations import vary
from core.web.create.fields import LARGEST_SEED, MODELS, NUMBERS, Field
from core.web.create.form import Form
from core.web.inbox.preferences import draw_wish
from core.web.resources import studio

_NOUNS: Final = {Kind.IMAGE: N_("Images"), Kind.VIDEO: N_("Videos")}
_KEYS: Final = "create-"
_AT_HAND: Final = ("quality", "resolution", "scale_factor")
"""Options that change so much that they are not put away."""


@dataclass(frozen=True)
class Rest:
    """What was chosen beside the form's fields.

    Attributes:
        accepted: names of the providers whose conditions are accepted.
        notify: where and when to be told.
        variations: prompts for single items.
        trouble: why it cannot be ordered so; empty: it can.
    """

    accepted: frozenset[str] = frozenset()
    notify: Notify = field(default_factory=Notify)
    variations: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    trouble: str = ""


def draw(form: Form, user: User) -> Rest:
    """Draw the form's fields and what goes with them; what is changed is changed in the form."""
    with st.container(key="choices", horizontal=True):
        for kind in form.offers:
            _draw_number(form, NUMBERS[kind])
            _draw_offer(form, kind)
    providers = {offer.provider.name: offer.provider for offer in form.chosen.values()}
    accepted = frozenset(
        name
        for name, provider in providers.items()
        if provider.consent
        and st.checkbox(_(provider.consent), key=f"accept-{name}", persist_state="session")
    )
    with st.container(key="shape", horizontal=True):
        _draw_shape(form)
        for name, each in form.fields.items():
            if each.option is not None and each.option.name in _AT_HAND:
                _draw_option(form, name, _NOUNS[_kind_of(name)] if len(form.offers) > 1 else "")
    _draw_styles(form)
    notify, trouble = Notify(), ""
    try:
        notify = draw_wish(user, "wish")
    except InvalidInput as error:
        trouble = str(error)
    _draw_more(form)
    variations: dict[Kind, list[str]] = {}
    try:
        variations = _draw_variations(form) if form.task == Task.CREATE else {}
    except InvalidInput as error:
        trouble = str(error)
    return Rest(accepted, notify, variations, trouble)


def suggest(form: Form, prompt: str, user_id: str) -> None:
    """Ask for variations of the prompt, to be shown and edited from the next run on.

    Raises:
        InvalidInput: there are none; the text says why.
        DatabaseError: the user's budget could not be looked at.
    """
    parse_prompt(prompt)
    with st.spinner(_("Thinking of variations …")):
        st.session_state["variations"] = {
            kind: vary(studio(), user_id, prompt, kind, form.value(NUMBERS[kind]))
            for kind in form.offers
        }
    st.session_state["variations_round"] = st.session_state.get("variations_round", 0) + 1


def forget_variations() -> None:
    """Go back to the one prompt."""
    st.session_state.pop("variations", None)


def _held(form: Form, name: str, nothing: str | None = None) -> dict[str, Any]:
    """Return the arguments by which a widget shows a field, and keeps in the form what is chosen.

    Args:
        form: where it is kept.
        name: the field's.
        nothing: what stands for None in the widget.
    """
    key, value = f"{_KEYS}{form.task}-{name}", form.value(name)
    st.session_state[key] = nothing if value is None else value
    return {"key": key, "on_change": _keep, "args": (form, name, key, nothing)}


def _keep(form: Form, name: str, key: str, nothing: str | None) -> None:
    """Keep what was chosen of what the form showed; whatever else a browser says is refused."""
    chosen = st.session_state[key]
    if not form.choose(name, None if chosen == nothing else chosen):
        form.refused.append(name)


def _draw_select(
    form: Form, name: str, title: str, words: Callable[[Any], str], about: str = ""
) -> None:
    options = ["" if choice is None else choice for choice in form.fields[name].choices or ()]
    held = _held(form, name, nothing="")
    st.selectbox(title, options, format_func=words, help=about or None, **held)


def _draw_number(form: Form, name: str) -> None:
    found = form.fields.get(name)
    if found is not None:
        least, most = int(found.least or 0), int(found.most or 0)
        st.number_input(form.title(name), least, most, **_held(form, name))


def _draw_offer(form: Form, kind: Kind) -> None:
    offers = form.offers[kind]
    title = _("Made by") if form.task == Task.UPSCALE else form.title(MODELS[kind])
    _draw_select(form, MODELS[kind], title, lambda key: offers[key].label)


def _draw_shape(form: Form) -> None:
    if "ratio" in form.fields:
        _draw_select(form, "ratio", form.title("ratio"), _ratio_words)
    if "seconds" in form.fields:
        _draw_select(form, "seconds", form.title("seconds"), _seconds_words)


def _ratio_words(ratio: str) -> str:
    if not ratio:
        return _("Best for each")
    return _("Automatic") if ratio == AUTO else ratio


def _seconds_words(number: int) -> str:
    return ngettext("{count} second", "{count} seconds", number).format(count=number)


def _draw_styles(form: Form) -> None:
    if "style" not in form.fields:
        return
    st.pills(
        form.title("style"),
        list(STYLES),
        format_func=lambda name: _(STYLES[name][0]),
        wrap=True,
        help=_("Words for it are added to your prompt."),
        **_held(form, "style"),
    )


def _draw_more(form: Form) -> None:
    """Draw what few want to change; nothing where there is nothing."""
    options = {
        kind: [
            name
            for name, each in form.fields.items()
            if each.option and _kind_of(name) == kind and each.option.name not in _AT_HAND
        ]
        for kind in form.offers
    }
    if "seed" not in form.fields and not any(options.values()):
        return
    with st.expander(_("More options")):
        if "seed" in form.fields:
            _draw_seed(form)
        for kind, names in options.items():
            if names:
                st.caption(f"{form.title(MODELS[kind])} {form.offer(kind).label}")
                with st.container(horizontal=True, key=f"options-{kind}"):
                    for name in names:
                        _draw_option(form, name)


def _draw_seed(form: Form) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="seed"):
        st.number_input(
            form.title("seed"),
            0,
            LARGEST_SEED,
            None,
            placeholder=_("By chance"),
            help=_("The same seed and prompt make the same again, where a model can."),
            **_held(form, "seed"),
        )
        st.button(
            _("Draw one"),
            icon=":material/casino:",
            help=_("Fix a seed by chance, so that you can come back to it."),
            on_click=lambda: _set_seed(form, secrets.randbelow(LARGEST_SEED)),
        )
        st.button(
            _("The last one"),
            icon=":material/history:",
            help=_("Take the seed of what you created last."),
            on_click=_set_last_seed,
            args=(form,),
        )


def _set_seed(form: Form, seed: int) -> None:
    form.values["seed"] = seed


def _set_last_seed(form: Form) -> None:
    user = st.user.get("user_id")
    for job in studio().store.jobs.of_user(str(user), 1):
        _set_seed(form, job.options.seed)


def _kind_of(name: str) -> Kind:
    return Kind(name.partition(".")[0])


def _draw_option(form: Form, name: str, of: str = "") -> None:
    """Draw one of a model's own options.

    Args:
        form: where it is kept.
        name: the field's.
        of: what it is about, where that is not said beside it.
    """
    found = form.fields[name]
    option = found.option
    if option is None:
        return
    title = f"{_(option.title)} ({_(of)})" if of else _(option.title)
    about = _(option.help)
    if found.choices is not None:
        _draw_select(form, name, title, _choice_words, about)
    elif option.type == "text":
        most = None if found.most is None else int(found.most)
        st.text_input(title, max_chars=most, help=about or None, **_held(form, name))
    else:
        _draw_free_number(form, found, title, about)


def _draw_free_number(form: Form, found: Field, title: str, about: str) -> None:
    number = int if found.of is int else float
    least, most = (None if bound is None else number(bound) for bound in (found.least, found.most))
    st.number_input(
        title,
        least,
        most,
        None,
        step=number(1),
        placeholder=_("The model decides"),
        help=about or None,
        **_held(form, found.name),
    )


def _choice_words(choice: str) -> str:
    return {"": _("The model decides"), "yes": _("yes"), "no": _("no")}.get(choice, choice)


def _draw_variations(form: Form) -> dict[Kind, list[str]]:
    """Draw the suggested prompts, one an item, to be edited."""
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
    st.button(_("Use the one prompt for all"), type="tertiary", on_click=forget_variations)
    found: dict[Kind, list[str]] = {kind: [] for kind in numbers}
    rows = list(edited)
    texts = [row.get("prompt") or "" for row in rows]
    if len(rows) != len(items) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(_("These prompts cannot be read. Please suggest them anew."))
    for (kind, _slot, _text), text in zip(items, texts, strict=True):
        found[kind].append(text)
    return found
