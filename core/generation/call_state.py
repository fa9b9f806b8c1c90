"""What is known of an item's call to its provider: may it be charged, and what is kept of it."""

import asyncio
from math import isfinite
from typing import Any

from core.generation.kept_replies import ReplyKeeper
from core.media.storage import Draft
from core.models import Asset, AssetState, Kept
from core.providers.base import Outcome, Submission
from core.providers.errors import OutcomeUnknown, PromptRejected, ProviderError


class CallState:
    """What an item's call came to so far; it decides what may be done again at no cost.

    Args:
        asset: the claimed item.
        paid: whether its provider costs money.
        keeper: keeps what came of the call.
    """

    def __init__(self, asset: Asset, keeper: ReplyKeeper, *, paid: bool) -> None:
        self.asset = asset
        self.keeper = keeper
        self.paid = paid
        #: How the provider took the item; None: it did not, as far as is known.
        self.submission = None if asset.remote_id is None else Submission(asset.remote_id)
        #: The token of the call that is being answered.
        self.token = asset.call
        self.kept = list(asset.kept)
        #: Whether the provider was called.
        self.out = False

    @property
    def resumable(self) -> bool:
        """Whether another worker could carry on from here without asking for the item again."""
        return self.submission is not None and self.submission.remote_id is not None

    @property
    def remote_id(self) -> str | None:
        """The task at the provider, which is never created anew while it is known."""
        return None if self.submission is None else self.submission.remote_id

    @property
    def rereadable(self) -> bool:
        """Whether another worker could carry on from a kept reply."""
        return self.reply is not None

    @property
    def carried_on(self) -> bool:
        """Whether another attempt at the item costs nothing."""
        file = any(each.what == "file" for each in self.kept)
        return self.resumable or self.rereadable or file or not self.charged

    @property
    def charged(self) -> bool:
        """Whether a call that costs money is out, or may be, or was answered."""
        out = self.out or self.submission is not None or self.asset.reread
        return self.paid and (out or self.asset.state != AssetState.QUEUED)

    @property
    def taken(self) -> bool:
        """Whether a provider that costs money took the item."""
        return self.paid and (self.submission is not None or self.asset.reread)

    @property
    def kept_fields(self) -> dict[str, Any]:
        """What is kept of the item's calls, as fields to store."""
        return {"kept": [each.to_document() for each in self.kept]}

    def paid_for(self, error: ProviderError) -> bool:
        """Return whether an item that ends with this error was paid for, or may have been.

        What a creating call was refused with is free, unless it says what it cost.
        """
        if error.cost is not None:
            return self.paid and error.cost > 0
        if isinstance(error, OutcomeUnknown):
            return self.charged
        return self.taken and not isinstance(error, PromptRejected)

    @property
    def reply(self) -> Kept | None:
        """The kept reply of the call that is being answered, or of the last one that has one."""
        replies = [each for each in self.kept if each.what == "reply"]
        ours = [each for each in replies if each.call == self.token]
        usable = ours or (replies if self.asset.reread else [])
        return usable[-1] if usable else None

    async def has_reply(self) -> bool:
        """Whether a kept response is to be read instead of calling the provider, which is free."""
        if not self.paid or (self.asset.state == AssetState.QUEUED and not self.asset.reread):
            return False
        if self.reply is None:  # a worker that was killed may have kept it and stored nothing
            found = await asyncio.to_thread(self.keeper.find_reply, self.asset)
            self.kept += [] if found is None else [found]
        return self.reply is not None

    async def keep(self, reply: bytes | None) -> None:
        """Keep a paid call's raw reply, unless a task can be asked after instead."""
        ours = any(each.what == "reply" and each.call == self.token for each in self.kept)
        if reply is None or not self.charged or self.resumable or ours:
            return
        keep = self.keeper.keep_reply
        kept = await asyncio.to_thread(keep, self.asset, self.token, reply)
        self.kept += [] if kept is None else [kept]

    async def keep_file(self, draft: Draft) -> None:
        """Keep the file as it came, once a call."""
        if any((each.what, each.call) == ("file", self.token) for each in self.kept):
            return  # of an earlier attempt: a full disk is tried again and again
        keep = self.keeper.keep_file
        kept = await asyncio.to_thread(keep, self.asset, self.token, draft)
        if kept is not None:
            same = [each for each in self.kept if (each.what, each.path) == ("file", kept.path)]
            self.kept = [*(each for each in self.kept if each not in same), kept]


def provider_fields(said: Submission | Outcome | ProviderError) -> dict[str, Any]:
    """Return what a provider said as fields to store: details, and what it costs.

    Whatever that is, the store makes of it what can be stored (`core.store.documents.storable`).
    """
    fields: dict[str, Any] = {
        f"details.{name}": value for name, value in said.details.items() if name.isidentifier()
    }
    if _is_amount(said.cost):
        expected = isinstance(said, Submission)
        fields["cost.estimated" if expected else "cost.actual"] = said.cost
    return fields


def _is_amount(cost: object) -> bool:
    """Return whether that is a number, which is all that is ever added up."""
    return isinstance(cost, int | float) and not isinstance(cost, bool) and isfinite(cost)
