"""The form on the first page, drawn from what the providers declare."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.models import MAX_ITEMS, MIN_ITEMS, Asset, InvalidInput, Kind, Notify, User
from core.providers.base import AUTO
from core.store import DatabaseError
from core.web.studio import STYLES, Choice, Maker, Order, studio
from core.web.telling import draw_wish

ANY_RATIO: Final = "Best for each"
NO_STYLE: Final = "As the prompt says"
MODELS_CHOICE: Final = "The model decides"
LARGEST_SEED: Final = 2**31 - 1
_NOUNS: Final = {Kind.IMAGE: "Images", Kind.VIDEO: "Videos"}


@dataclass
class Sent:
    """What the form says.

    Attributes:
        order: what it asks for.
        create: whether it was sent just now.
        vary: whether suggestions were asked for just now.
        refusal: the place below the prompt where a refusal is told.
    """

    order: Order
    create: bool
    vary: bool
    refusal: DeltaGenerator


@dataclass
class _Chosen:
    """The choices below the prompt."""

    makers: dict[Kind, Maker] = field(default_factory=dict)
    numbers: dict[Kind, int] = field(default_factory=dict)
    options: dict[Kind, dict[str, Any]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)


def order_form(user: User, source: Asset | None = None) -> Sent:
    """Draw the form.

    Args:
        user: who asks.
        source: an image to make clips of; None: images and clips of a prompt.
    """
    with st.form("order", border=False):
        prompt = st.text_area(
            "Prompt",
            key="prompt",
            height=132,
            placeholder="A scene, as you would tell it: what is there, where, in which light …"
            if source is None
            else "What should happen in it? …",
            label_visibility="collapsed",
        )
        refusal = st.empty()
        varying = studio().can_vary() and source is None
        with st.container(key="sending", horizontal=True):
            create = st.form_submit_button("Create", type="primary", width="stretch")
            vary = varying and st.form_submit_button("Suggest variations")
    estimate = st.empty()
    chosen = _Chosen()
    kinds = [Kind.IMAGE, Kind.VIDEO] if source is None else [Kind.VIDEO]
    with st.container(key="choices", horizontal=True):
        for kind in kinds:
            _draw_maker(kind, chosen, animates=source is not None)
    for maker in chosen.makers.values():
        provider = maker.provider
        if provider.consent and st.checkbox(provider.consent, key=f"accept-{provider.name}"):
            chosen.accepted.add(provider.name)
    with st.container(key="shape", horizontal=True):
        ratio = _draw_ratio(chosen, source)
        seconds = _draw_seconds(chosen.makers[Kind.VIDEO])
        style = st.selectbox(
            "Style",
            [None, *STYLES],
            format_func=lambda name: NO_STYLE if name is None else STYLES[name][0],
        )
    notify = Notify()
    try:
        notify = draw_wish(user, "wish")
    except InvalidInput as error:
        refusal.error(str(error))
    with st.expander("More options"):
        seed = st.number_input(
            "Seed",
            0,
            LARGEST_SEED,
            None,
            placeholder="By chance",
            help="The same seed and prompt make the same again, where a model can.",
        )
        for kind in kinds:
            chosen.options[kind] = _draw_options(kind, chosen.makers[kind])
    order = Order(
        user_id=user.id,
        prompt=prompt,
        images=chosen.numbers.get(Kind.IMAGE, MIN_ITEMS),
        videos=chosen.numbers[Kind.VIDEO],
        ratio=ratio,
        seconds=seconds,
        seed=seed,
        style=style,
        source=source,
        accepted=frozenset(chosen.accepted),
        notify=notify,
        choices={
            kind: Choice(
                provider=maker.provider.name,
                model=maker.capability.model,
                options=chosen.options[kind],
            )
            for kind, maker in chosen.makers.items()
        },
        variations=_draw_variations(chosen.numbers) if source is None else {},
    )
    _draw_facts(estimate, order, list(chosen.makers.values()))
    return Sent(order, create, vary, refusal)


def suggest(sent: Sent) -> None:
    """Ask for variations of the prompt, to be shown and edited from the next run on.

    Raises:
        InvalidInput: there are none; the text says why.
    """
    order = sent.order
    if not order.prompt.strip():
        raise InvalidInput("Please describe what you would like to see.")
    numbers = {Kind.IMAGE: order.images, Kind.VIDEO: order.videos}
    with st.spinner("Thinking of variations …"):
        st.session_state["variations"] = {
            kind: studio().vary(order.prompt, kind, number) for kind, number in numbers.items()
        }
    st.session_state["variations_round"] = st.session_state.get("variations_round", 0) + 1


def forget_variations() -> None:
    """Go back to the one prompt."""
    st.session_state.pop("variations", None)


def _draw_maker(kind: Kind, chosen: _Chosen, *, animates: bool) -> None:
    makers = {maker.key: maker for maker in studio().makers(kind, animates=animates)}
    least, usual = (1, 1) if animates else (MIN_ITEMS, MIN_ITEMS)
    noun = _NOUNS[kind]
    chosen.numbers[kind] = st.number_input(noun, least, MAX_ITEMS, usual, key=f"{noun}-{least}")
    key = st.selectbox(
        f"{noun} by", list(makers), format_func=lambda each: makers[each].label, width="stretch"
    )
    chosen.makers[kind] = makers[key]


def _draw_ratio(chosen: _Chosen, source: Asset | None) -> str | None:
    shapes = [maker.capability.ratios for maker in chosen.makers.values()]
    common = [ratio for ratio in shapes[0] if all(ratio in shape for shape in shapes)]
    if source is not None:
        return st.selectbox("Aspect ratio", common, _nearest(source, shapes[0]), _ratio_words)
    picked = st.selectbox("Aspect ratio", [ANY_RATIO, *common], format_func=_ratio_words)
    return None if picked == ANY_RATIO else picked


def _nearest(source: Asset, shape: Mapping[str, tuple[int, int]]) -> int:
    """Return which ratio is the most like an image's own."""
    own = (source.width or 1) / (source.height or 1)
    away = [abs(math.log(width / height / own)) for width, height in shape.values()]
    return away.index(min(away))


def _ratio_words(ratio: str) -> str:
    return "Automatic" if ratio == AUTO else ratio


def _draw_seconds(maker: Maker) -> int | None:
    lengths = list(maker.capability.seconds)
    usual = maker.capability.default_seconds
    index = lengths.index(usual) if usual in lengths else 0
    return st.selectbox("Clip length", lengths, index, lambda number: f"{number} seconds")


def _draw_options(kind: Kind, maker: Maker) -> dict[str, Any]:
    """Draw a model's own options; what is left to the model is not among the result."""
    options = maker.capability.options
    if not options:
        return {}
    st.caption(f"{_NOUNS[kind]} by {maker.label}")
    values: dict[str, Any] = {}
    with st.container(horizontal=True, key=f"options-{kind}"):
        for option in options:
            key, about = f"{kind}-{maker.key}-{option.name}", option.help or None
            if option.choices or option.type == "flag":
                offered = list(option.choices) or ["yes", "no"]
                unset = [] if option.default in offered else [None]
                value: Any = st.selectbox(
                    option.title,
                    [*unset, *offered],
                    index=0 if unset else offered.index(str(option.default)),
                    format_func=lambda each: MODELS_CHOICE if each is None else each,
                    key=key,
                    help=about,
                )
            elif option.type == "text":
                characters = None if option.maximum is None else int(option.maximum)
                value = st.text_input(option.title, max_chars=characters, key=key, help=about)
            else:
                number = int if option.type == "integer" else float
                least, most = (
                    None if bound is None else number(bound)
                    for bound in (option.minimum, option.maximum)
                )
                value = st.number_input(
                    option.title,
                    least,
                    most,
                    None,
                    step=number(1),
                    placeholder=MODELS_CHOICE,
                    key=key,
                    help=about,
                )
            if value not in (None, ""):
                values[option.name] = value
    return values


def _draw_variations(numbers: Mapping[Kind, int]) -> dict[Kind, list[str]]:
    """Draw the suggested prompts, one an item, to be edited."""
    suggested: Mapping[Kind, list[str]] | None = st.session_state.get("variations")
    if suggested is None:
        return {}
    rows = [
        {"Item": f"{kind.title()} {slot}", "Prompt": text}
        for kind, number in numbers.items()
        for slot, text in enumerate((suggested[kind] + [""] * number)[:number], 1)
    ]
    st.caption("One prompt for each item; change what you like. An empty one is the prompt above.")
    edited = st.data_editor(
        rows,
        column_config={"Item": st.column_config.TextColumn(disabled=True, width="small")},
        hide_index=True,
        key=f"variations-{st.session_state['variations_round']}-{len(rows)}",
    )
    st.button("Use the one prompt for all", type="tertiary", on_click=forget_variations)
    found: dict[Kind, list[str]] = {kind: [] for kind in numbers}
    for row in edited:
        found[Kind(row["Item"].split()[0].lower())].append(row["Prompt"] or "")
    return found


def _draw_facts(estimate: DeltaGenerator, order: Order, makers: list[Maker]) -> None:
    """Say what it costs, and what else is to be known about who makes it."""
    accepted = frozenset(maker.provider.name for maker in makers)  # it is only looked at
    plain = replace(order, prompt=order.prompt.strip() or "x", accepted=accepted)
    try:
        lines = [studio().estimate(plain), *studio().accounts(makers)]
        unserved = studio().unserved(makers)
    except DatabaseError:  # the form keeps what was typed, whatever happens
        return
    with estimate.container(key="estimate"):
        if said := " ".join(line for line in lines if line):
            st.caption(said.replace("$", r"\$"))  # two of them would be read as a formula
        for queue in unserved:
            st.warning(
                f"No worker serves the queue “{queue}” at the moment, so this would wait. "
                f"Start one: `python -m core worker --queues {queue}`."
            )
    for notice in dict.fromkeys(maker.provider.notice for maker in makers if maker.provider.notice):
        st.caption(f"{notice} [More about it](/providers)")
