"""The widgets of the form on Create, from what the providers declare."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from core.i18n import N_, ngettext
from core.i18n import gettext as _
from core.models import InvalidInput, Kind, Notify, Task, User
from core.providers.base import AUTO
from core.studio.styles import STYLES
from core.web.create import variations
from core.web.create.fields import LARGEST_SEED, MODELS, NUMBERS, Field
from core.web.create.form import Form
from core.web.inbox.preferences import draw_notify
from core.web.resources import studio

_NOUNS: Final = {Kind.IMAGE: N_("Images"), Kind.VIDEO: N_("Videos")}
_KEYS: Final = "create-"
_VISIBLE: Final = ("quality", "resolution", "scale_factor")
"""Options that matter so often that they are always visible."""


@dataclass(frozen=True)
class Extras:
    """What was chosen in addition to the form's fields."""

    #: Names of the providers whose conditions are accepted.
    accepted: frozenset[str] = frozenset()
    notify: Notify = field(default_factory=Notify)
    #: Prompts for single items, by kind.
    variations: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    #: Why the order cannot be placed; empty: it can.
    problem: str = ""


def draw(form: Form, user: User) -> Extras:
    """Draw the form's fields and the extras; changes are stored in the form."""
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
            if each.option is not None and each.option.name in _VISIBLE:
                _draw_option(form, name, _NOUNS[_kind_of(name)] if len(form.offers) > 1 else "")
    _draw_styles(form)
    notify, problem = Notify(), ""
    try:
        notify = draw_notify(user, "notify")
    except InvalidInput as error:
        problem = str(error)
    _draw_more(form)
    prompts: dict[Kind, list[str]] = {}
    try:
        prompts = variations.draw(form) if form.task == Task.CREATE else {}
    except InvalidInput as error:
        problem = str(error)
    return Extras(accepted, notify, prompts, problem)


def _bound(form: Form, name: str, nothing: str | None = None) -> dict[str, Any]:
    """Return the arguments that bind a widget to a field of the form.

    Args:
        form: the form.
        name: the field.
        nothing: the widget's value for None.
    """
    key, value = f"{_KEYS}{form.task}-{name}", form.value(name)
    st.session_state[key] = nothing if value is None else value
    return {"key": key, "on_change": _store, "args": (form, name, key, nothing)}


def _store(form: Form, name: str, key: str, nothing: str | None) -> None:
    """Store a value that the form offered; refuse anything else from a browser."""
    chosen = st.session_state[key]
    if not form.choose(name, None if chosen == nothing else chosen):
        form.refused.append(name)


def _draw_select(
    form: Form, name: str, title: str, text_of: Callable[[Any], str], help_text: str = ""
) -> None:
    options = ["" if choice is None else choice for choice in form.fields[name].choices or ()]
    bound = _bound(form, name, nothing="")
    st.selectbox(title, options, format_func=text_of, help=help_text or None, **bound)


def _draw_number(form: Form, name: str) -> None:
    found = form.fields.get(name)
    if found is not None:
        least, most = int(found.least or 0), int(found.most or 0)
        st.number_input(form.title(name), least, most, **_bound(form, name))


def _draw_offer(form: Form, kind: Kind) -> None:
    offers = form.offers[kind]
    title = _("Made by") if form.task == Task.UPSCALE else form.title(MODELS[kind])
    _draw_select(form, MODELS[kind], title, lambda key: offers[key].label)


def _draw_shape(form: Form) -> None:
    if "ratio" in form.fields:
        _draw_select(form, "ratio", form.title("ratio"), _ratio_text)
    if "seconds" in form.fields:
        _draw_select(form, "seconds", form.title("seconds"), _seconds_text)


def _ratio_text(ratio: str) -> str:
    if not ratio:
        return _("Best for each")
    return _("Automatic") if ratio == AUTO else ratio


def _seconds_text(number: int) -> str:
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
        **_bound(form, "style"),
    )


def _draw_more(form: Form) -> None:
    """Draw the options that are seldom changed, if there are any."""
    options = {
        kind: [
            name
            for name, each in form.fields.items()
            if each.option and _kind_of(name) == kind and each.option.name not in _VISIBLE
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
            **_bound(form, "seed"),
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
        form: the form.
        name: the field.
        of: the kind that it applies to, unless that is clear from its place.
    """
    found = form.fields[name]
    option = found.option
    if option is None:
        return
    title = f"{_(option.title)} ({_(of)})" if of else _(option.title)
    help_text = _(option.help)
    if found.choices is not None:
        _draw_select(form, name, title, _choice_text, help_text)
    elif option.type == "text":
        most = None if found.most is None else int(found.most)
        st.text_input(title, max_chars=most, help=help_text or None, **_bound(form, name))
    else:
        _draw_free_number(form, found, title, help_text)


def _draw_free_number(form: Form, found: Field, title: str, help_text: str) -> None:
    number = int if found.of is int else float
    least, most = (None if bound is None else number(bound) for bound in (found.least, found.most))
    st.number_input(
        title,
        least,
        most,
        None,
        step=number(1),
        placeholder=_("The model decides"),
        help=help_text or None,
        **_bound(form, found.name),
    )


def _choice_text(choice: str) -> str:
    return {"": _("The model decides"), "yes": _("yes"), "no": _("no")}.get(choice, choice)
