"""One tab's visit to Create: what its address asks for, what stands in the form, what is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.i18n import N_
from core.i18n import gettext as _
from core.models import PROMPT_MAX_CHARACTERS, InvalidInput, Job, Kind, Task, User, new_id
from core.providers.base import Capability
from core.store import DatabaseError
from core.web import frontend, tab_session
from core.web.create import prefill, widgets
from core.web.create.estimate import Estimate, estimate
from core.web.create.form import Form
from core.web.create.prefill import PROMPT, Wish
from core.web.http.errors import no_answer
from core.web.resources import STYLES, Order, studio

_STATE: Final = "create"
_ADDRESSES_KEPT: Final = 500
_QUOTED: Final = 80

NOT_OFFERED: Final = N_(
    "What was chosen here is not offered: {names}. Nothing was ordered; please look at the form "
    "again."
)
OTHERWISE: Final = N_(
    "Who makes this, or what it costs, is not what this page showed. Nothing was ordered; please "
    "look at the form again."
)
NOT_ASKED: Final = N_("That is nothing that this page asks for. Please load it again.")

Query = frozenset[tuple[str, str]]


class _Asked(BaseModel):
    """What the box asks for.

    `at`: a number that rises. `on`: whether to stay. `terms`: those that the box was given, which
    the user saw; empty: it does not say.
    """

    model_config = ConfigDict(strict=True)

    at: float = Field(allow_inf_nan=False)
    name: Literal["create", "vary", "stay", "open"]
    prompt: str = ""
    on: bool | str | None = None
    terms: str = ""


@dataclass
class Visit:
    """What is known of the visit from run to run.

    The box keeps what is typed, and its script writes the address; so an address that comes back
    and was written here says nothing new.

    Attributes:
        query: the address that the last run saw, without the prompt.
        written: those that the box was given to write.
        wish: what the last address asked for that came from elsewhere.
        values: what stands in the form, by task.
        texts: what was put into each box, and the token by which the box knows it.
        trouble: what to say about the address, in this run.
        asked: what the box asks for and was not carried out yet (`create`, `vary`).
        refused: the form's fields for which something was chosen that is not offered.
        terms: who made what at which price when the form was last drawn, as `Form.terms` says.
        heard: the `at` of the last thing that the box asked for.
        sent: what was ordered last while the page stayed; see `components.prompt_box`.
    """

    query: Query | None = None
    written: dict[Query, None] = field(default_factory=dict)
    wish: Wish = field(default_factory=Wish)
    values: dict[Task, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    trouble: str = ""
    asked: "_Asked | None" = None
    refused: list[str] = field(default_factory=list)
    terms: str = ""
    heard: float = 0.0
    sent: dict[str, str] | None = None

    @property
    def box(self) -> str:
        """What tells the box of one task and source from the others'."""
        source = self.wish.source
        return self.wish.task if source is None else f"{self.wish.task}-{source.id}"

    def arrive(self, user_id: str) -> Form:
        """Read the address, and return the form as it stands.

        Raises:
            DatabaseError: what the address is about could not be looked up.
        """
        params = st.query_params.to_dict()
        query = frozenset((name, text) for name, text in params.items() if name != PROMPT)
        self.trouble = ""
        if query != self.query:
            news = self.query is None or query not in self.written
            self.wish = _possible(prefill.read(params, user_id, studio().store))
            self.query, self.trouble = query, self.wish.trouble
            if self.wish.whole or news:
                return self._filled()
        return self._form()

    def put(self, prompt: str) -> None:
        """Have a text stand in the box, whatever stands there."""
        self.texts[self.box] = (prompt, new_id())

    def hear(self, said: str) -> None:
        """Take what the box asks for; each click once, however often it is told."""
        try:
            asked = _Asked.model_validate_json(said)
        except ValidationError:
            st.toast(_(NOT_ASKED))
            return
        if asked.at <= self.heard:
            return
        self.heard = asked.at
        if asked.name == "stay":
            try:
                studio().store.users.choose(tab_session.require_user(), stay=asked.on is True)
            except DatabaseError:
                st.toast(no_answer())
        elif asked.name == "open":
            sent, self.sent = self.sent, None
            if sent is not None:
                tab_session.want_address(sent["href"])
        else:
            self.asked = asked

    def carry_out(self, filled: Form, rest: widgets.Rest, user: User) -> None:
        """Do what the box asked for: order it, or suggest variations.

        Raises:
            InvalidInput: it cannot be; the text says why.
            DatabaseError: it was not stored.
        """
        asked, self.asked = self.asked, None
        shown, self.terms = self.terms, filled.terms
        refused = [*filled.drop_unknown(), *self.refused]
        self.refused.clear()  # the form that is drawn holds the same list
        if refused:
            names = ", ".join(dict.fromkeys(_title(name, filled) for name in refused))
            raise InvalidInput(_(NOT_OFFERED).format(names=names))
        if asked is None:
            return
        if asked.name == "vary":
            widgets.suggest(filled, asked.prompt, user.id)
            st.rerun()
        if (asked.terms or shown) != filled.terms or self.trouble:
            raise InvalidInput(_(OTHERWISE))
        if rest.trouble:
            raise InvalidInput(rest.trouble)
        job = studio().order(_order(filled, asked.prompt, rest, user.id))
        self.put("")
        widgets.forget_variations()
        if not user.stay:
            st.switch_page(tab_session.all_pages()["/job"], query_params={"id": job.id})
        self.sent = _sent(job)

    def draw_box(self, filled: Form, user: User, expected: Estimate) -> None:
        """Draw the box with the prompt."""
        prompt, token = self.texts.get(self.box, ("", ""))
        address = self._address(filled)
        self.written[frozenset(address.items())] = None
        if len(self.written) > _ADDRESSES_KEPT:
            del self.written[next(iter(self.written))]
        task = filled.task
        frontend.create_prompt(
            {
                "user": user.id,
                "box": self.box,
                "placeholder": _(_PLACEHOLDERS.get(task, "")),
                "written": task != Task.UPSCALE,
                "prompt": prompt,
                "token": token,
                "limits": _limits(filled),
                "varies": task == Task.CREATE and studio().can_vary(),
                "expected": expected.text,
                "beyond": expected.beyond,
                "button": _("Upscale") if task == Task.UPSCALE else _("Create"),
                "address": address,
                "terms": filled.terms,
                "stay": user.stay,
                "sent": self.sent,
                "heard": self.heard,
            },
            self.hear,
        )

    def expected(self, filled: Form, rest: widgets.Rest, user_id: str) -> Estimate:
        """Return what the form as it stands is expected to cost and take.

        Raises:
            DatabaseError: the database does not answer.
        """
        names = frozenset(maker.provider.name for maker in filled.chosen.values())
        looked_at = widgets.Rest(accepted=names, variations=rest.variations)
        return estimate(_order(filled, "x", looked_at, user_id), studio())

    def _form(self) -> Form:
        wish = self.wish
        values = self.values.setdefault(wish.task, {})
        return Form(_makers(wish), wish.task, wish.source, values, self.refused)

    def _filled(self) -> Form:
        """Return the form with what the address says in it."""
        texts = {name: text for name, text in self.wish.texts.items() if name != PROMPT}
        if self.wish.whole:
            self.values.pop(self.wish.task, None)
        filled = self._form()
        refused = filled.fill(texts)
        prompt = self.wish.texts.get(PROMPT, "")
        if len(prompt) > _LONGEST_PROMPT:
            refused.append(PROMPT)
        elif prompt:
            self.put(prompt)
        if refused and not self.trouble:
            names = ", ".join(_title(name, filled) for name in refused)
            self.trouble = _(
                "Not all that this link asks for can be had here, so this is as usual: {names}."
            ).format(names=names)
        return filled

    def _address(self, filled: Form) -> dict[str, str]:
        """Return the query that brings back the form."""
        source = {} if filled.source is None else {str(filled.task): filled.source.id}
        return source | filled.address()


_PLACEHOLDERS: Final = {
    Task.CREATE: N_("A scene, as you would tell it: what is there, where, in which light …"),
    Task.ANIMATE: N_("What should happen in it? …"),
}
_LONGEST_PROMPT: Final = 4 * PROMPT_MAX_CHARACTERS  # of a link; what is too long can be cut there


def visit() -> Visit:
    """Return the visit of this tab."""
    found: Visit = st.session_state.setdefault(_STATE, Visit())
    return found


def _kinds(wish: Wish) -> tuple[Kind, ...]:
    if wish.source is None:
        return tuple(Kind)
    return (Kind.VIDEO,) if wish.task == Task.ANIMATE else (wish.source.kind,)


def _makers(wish: Wish) -> dict[Kind, dict[str, Any]]:
    return {
        kind: {maker.key: maker for maker in studio().makers(kind, wish.task)}
        for kind in _kinds(wish)
    }


def _possible(wish: Wish) -> Wish:
    """Return a wish, or where nobody here can fulfil it one for something new that says so."""
    if all(_makers(wish).values()):
        return wish
    return Wish(trouble=_("No provider that is set up here can do that."))


def _order(filled: Form, prompt: str, rest: widgets.Rest, user_id: str) -> Order:
    source = filled.source
    if source is not None and filled.task == Task.UPSCALE:
        job = studio().store.jobs.get(source.job_id, user_id)
        prompt = source.prompt or (job.prompt if job is not None else prompt)
    return filled.order(
        user_id,
        prompt,
        accepted=rest.accepted,
        notify=rest.notify,
        variations=rest.variations,
    )


def _sent(job: Job) -> dict[str, str]:
    text = " ".join(job.prompt.split())
    short = text if len(text) <= _QUOTED else f"{text[:_QUOTED].rstrip()} …"
    said = _("“{prompt}” is being made.").format(prompt=short)
    return {"id": job.id, "href": f"/job?id={job.id}", "text": said}


def _limits(filled: Form) -> list[Mapping[str, Any]]:
    """Return how long the prompt may be, with the words of the style taken off."""
    style = filled.value("style")
    added = 0 if style is None else len(f", {STYLES[style][1]}")
    capabilities: list[Capability] = [each.capability for each in filled.chosen.values()]
    own = [{"most": each.max_prompt - added, "units": each.prompt_units} for each in capabilities]
    return [{"most": PROMPT_MAX_CHARACTERS, "units": "characters"}, *own]


def _title(name: str, filled: Form) -> str:
    if name == PROMPT:
        return _("Prompt")
    found = filled.fields.get(name)
    if found is not None and found.option is not None:
        return _(found.option.title)
    return widgets.title_of(name)
