"""The state of one tab's page Create: address, form and the prompt box's message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from core.i18n import gettext as _
from core.models import PROMPT_MAX_CHARACTERS, Kind, Task, new_id
from core.studio.offers import Offer
from core.web.create import prefill
from core.web.create.fields import PROMPT
from core.web.create.form import Form
from core.web.create.prefill import Prefill
from core.web.resources import studio

_STATE: Final = "create"
_ADDRESSES_KEPT: Final = 500
_LONGEST_PROMPT: Final = 4 * PROMPT_MAX_CHARACTERS  # from a link; a longer one can be cut there

Query = frozenset[tuple[str, str]]


@dataclass
class PageState:
    """The state that is kept between script runs.

    The prompt box keeps its text, and its script writes the address, so an address that was
    written here needs no prefill when it comes back.
    """

    #: The address of the last run, without the prompt.
    query: Query | None = None
    #: The addresses that the box was given to write.
    written: dict[Query, None] = field(default_factory=dict)
    #: The prefill of the last address that came from elsewhere.
    prefill: Prefill = field(default_factory=Prefill)
    #: The form's values, by task.
    values: dict[Task, dict[str, Any]] = field(default_factory=dict)
    #: The text set in each box, and a token by which the box knows that it is new.
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: A message about the address in this run; empty: none.
    problem: str = ""
    #: The box's pending action (`create` or `vary`), with its prompt and terms.
    pending: tuple[str, str, str] | None = None
    #: The form's fields for which something was chosen that is not offered.
    refused: list[str] = field(default_factory=list)
    #: The terms when the form was last drawn; see `Form.terms`.
    terms: str = ""
    #: The number of the last message of the box.
    last_message: float = 0.0
    #: The last order, if the page stayed open after it; see `components.create_prompt`.
    sent: dict[str, str] | None = None

    @property
    def box(self) -> str:
        """The key of the prompt box: there is one for each task and source."""
        source = self.prefill.source
        return self.prefill.task if source is None else f"{self.prefill.task}-{source.id}"

    def open_form(self, user_id: str) -> Form:
        """Read the address, and return the form with the chosen values.

        Raises:
            DatabaseError: what the address refers to could not be read.
        """
        params = st.query_params.to_dict()
        query = frozenset((name, text) for name, text in params.items() if name != PROMPT)
        self.problem = ""
        if query != self.query:
            is_new = self.query is None or query not in self.written
            self.prefill = _checked(prefill.read(params, user_id, studio().store))
            self.query, self.problem = query, self.prefill.problem
            if self.prefill.replace or is_new:
                return self._filled()
        return self._form()

    def set_prompt(self, prompt: str) -> None:
        """Replace the text in the box."""
        self.texts[self.box] = (prompt, new_id())

    def write_address(self, form: Form) -> dict[str, str]:
        """Return the query that restores the form, and store that it was written here."""
        source = {} if form.source is None else {str(form.task): form.source.id}
        address = source | form.address()
        self.written[frozenset(address.items())] = None
        if len(self.written) > _ADDRESSES_KEPT:
            del self.written[next(iter(self.written))]
        return address

    def _form(self) -> Form:
        wanted = self.prefill
        values = self.values.setdefault(wanted.task, {})
        return Form(_offers(wanted), wanted.task, wanted.source, values, self.refused)

    def _filled(self) -> Form:
        """Return the form, filled from the address."""
        texts = {name: text for name, text in self.prefill.texts.items() if name != PROMPT}
        if self.prefill.replace:
            self.values.pop(self.prefill.task, None)
        form = self._form()
        refused = form.fill(texts)
        prompt = self.prefill.texts.get(PROMPT, "")
        if len(prompt) > _LONGEST_PROMPT:
            refused.append(PROMPT)
        elif prompt:
            self.set_prompt(prompt)
        if refused and not self.problem:
            self.problem = _(
                "Not all that this link asks for can be had here, so this is as usual: {names}."
            ).format(names=", ".join(form.title(name) for name in refused))
        return form


def page_state() -> PageState:
    """Return the state of this tab's page."""
    found: PageState = st.session_state.setdefault(_STATE, PageState())
    return found


def _offers(wanted: Prefill) -> dict[Kind, Mapping[str, Offer]]:
    if wanted.source is None:
        kinds = tuple(Kind)
    else:
        kinds = (Kind.VIDEO,) if wanted.task == Task.ANIMATE else (wanted.source.kind,)
    return {
        kind: {offer.key: offer for offer in studio().offers(kind, wanted.task)} for kind in kinds
    }


def _checked(wanted: Prefill) -> Prefill:
    """Return the prefill, or an empty one with a message if no provider can do it."""
    if all(_offers(wanted).values()):
        return wanted
    return Prefill(problem=_("No provider that is set up here can do that."))
