"""What users spend in a month, and the budgets that nobody gets past."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, TypeVar

from pymongo import ReplaceOne, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.i18n import gettext as _
from core.models import Asset, AssetState, Cost, InvalidInput, Kind, new_id
from core.store.accounts.users import UserStore
from core.store.documents.transaction import STORE_SECONDS, in_transaction
from core.store.jobs.assets import AssetStore
from core.store.spending import costs
from core.store.spending.balances import DIGITS, Balance, month_of, next_month, refusal

Document = dict[str, Any]
T = TypeVar("T")

_LOCKS: Final = 64
_KEPT_TIMES: Final = ("queued_at", "submitted_at", "started_at")


class BudgetStore:
    """Adds up what a user's items cost in a calendar month (UTC), and holds it to a budget.

    An item counts with what it cost; where that is not known (yet), with what it is expected to
    cost: what its provider says, else what the last ones like it did cost, else what the admin
    has set. Where none of these is there, it holds what is left: nothing more is ordered in that
    unit until one of them is, or the month is over. What was refused or stopped before its
    provider took it counts nothing. Each time that it was sent counts, also where nobody ever said
    what that cost. It counts in the month in which it was last ordered: made again, it counts
    then. What was deleted stays spent, by its receipt (`jobs/bin.py`), and so does what a deleted
    account spent (`keep`).

    Args:
        database: the database; its clock says which month it is.
        assets: knows what items like one have cost.
        users: gives deleted accounts a name that does not say whose they were.
        budgets: what each user may spend in a month, by unit; other units have no bound.
        assumed: what an item counts with of which nothing is known; see `costs.assumed_cost`.
    """

    def __init__(
        self,
        database: Database[Document],
        assets: AssetStore,
        users: UserStore,
        budgets: Mapping[str, float],
        assumed: Mapping[str, float],
    ) -> None:
        self._database = database
        self._items = database["assets"]
        self._receipts = database["receipts"]
        self._turns = database["spending"]
        self._accounts = database["users"]
        self._assets = assets
        self._users = users
        self.budgets = budgets
        self._assumed = assumed
        self._locks = [Lock() for _ in range(_LOCKS)]  # by user_id; two may share one
        self.uncertain = costs.uncertain(assumed)

    def spent(self, user_id: str) -> Mapping[str, float]:
        """Return what a user has spent this month, by unit, as far as it is known."""
        found = self._standing(user_id, self._moment(), {})
        return {unit: round(each.amount, DIGITS) for unit, each in found.items() if each.items}

    def balances(self, user_id: str) -> dict[str, Balance]:
        """Return how a user stands with each budget, by unit."""
        if not self.budgets:
            return {}
        found = self._standing(user_id, self._moment(), {})
        return {unit: found[unit] for unit in self.budgets}

    def left(self, user_id: str) -> dict[str, float]:
        """Return what a user may still spend this month, by unit; only units with a budget."""
        return {unit: balance.left for unit, balance in self.balances(user_id).items()}

    def expected(self, assets: Sequence[Asset]) -> list[Asset]:
        """Return items with what they are expected to cost, where their provider does not say.

        That is what the last ones like them did cost.
        """
        typical: dict[tuple[str, str, str], float | None] = {}
        found = []
        for asset in assets:
            like = (asset.provider, asset.model, asset.kind)  # an order's are alike
            if asset.cost.estimated is None and like not in typical:
                typical[like] = self._assets.typical_cost(asset)
            known = asset.cost.estimated if asset.cost.estimated is not None else typical[like]
            cost = asset.cost.model_copy(update={"estimated": known})
            found.append(asset.model_copy(update={"cost": cost}))
        return found

    def assumed(self, provider: str, model: str, unit: str) -> float | None:
        """Return what an item counts with of which nothing is known; None: it holds what is left.

        See `costs.assumed_cost`.
        """
        return costs.assumed_cost(self._assumed, provider, model, unit)

    def in_turn(self, user_id: str, write: Callable[[ClientSession], T]) -> T:
        """Run a transaction that orders something; return what it returns.

        A user's orders conflict with each other, and each conflict begins a transaction anew. So
        those of one process wait for each other here; that is politeness, which
        `within_budget` does not rely on.

        Args:
            user_id: who orders.
            write: what is done in the transaction.
        """
        turn = self._locks[hash(user_id) % len(self._locks)]
        waited = bool(self.budgets) and turn.acquire(timeout=STORE_SECONDS)
        try:
            return in_transaction(self._database, write)
        finally:
            if waited:
                turn.release()

    @contextmanager
    def within_budget(self, user_id: str, session: ClientSession) -> Iterator[datetime | None]:
        """Let the block order items in a transaction; refuse where that goes beyond a budget.

        What nobody can say the cost of is let through where something is left, and then holds it.
        It begins with a write to the user's one document here, so that of two transactions at
        once one is begun anew after the other: together they do not go beyond it either.

        Yields:
            the moment that the items are to be ordered at, so that they count in the month that
            is looked at; None: no budget is set.

        Raises:
            InvalidInput: the budget does not allow it; the transaction must not be committed.
        """
        if not self.budgets:
            yield None
            return
        turn = {"turn": {"$add": [{"$ifNull": ["$turn", 0]}, 1]}, "at": "$$NOW"}
        own = self._turns.find_one_and_update(
            {"_id": user_id},
            [{"$set": turn}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if own is None:  # an upsert always answers; the driver's types do not know
            raise KeyError(user_id)
        typical: dict[str, float | None] = {}
        before = self._standing(user_id, own["at"], typical, session)
        yield own["at"]
        after = self._standing(user_id, own["at"], typical, session)
        for unit in self.budgets:
            refused = refusal(unit, before[unit], after[unit], own["at"])
            if refused is not None:
                raise InvalidInput(refused)

    def price(self, query: Document, session: ClientSession) -> None:
        """Note what items that are about to be sent again are expected to have cost until now.

        Args:
            query: which items.
            session: the transaction's.
        """
        nothing_said: Document = {"cost.unit": {"$in": list(self.budgets)}, "cost.estimated": None}
        typical: dict[str, float | None] = {}
        for each in self._items.aggregate(
            [{"$match": query | nothing_said}, {"$project": {"like": costs.LIKE}}], session=session
        ):
            amount = self._typical(each["like"], typical)
            if amount is not None:
                change = {"$set": {"cost.estimated": amount}}
                self._items.update_one({"_id": each["_id"]}, change, session=session)

    def book(
        self, user_id: str, provider: str, model: str, kind: Kind, amount: float
    ) -> str | None:
        """Count a call in US dollars that makes no item, such as one of a chat model.

        Args:
            user_id: who pays.
            provider: who is called.
            model: its model.
            kind: what it is called for.
            amount: what the call counts with, where the admin does not say otherwise.

        Returns:
            what to `unbook` it by; None: there is no budget for it.

        Raises:
            InvalidInput: the budget does not allow it; the call must not be made.
        """
        unit = Cost().unit
        if unit not in self.budgets:
            return None
        amount = self._assumed.get(f"{provider}/{model}", amount)
        booked = {
            "_id": new_id(),
            "job_id": "",
            "user_id": user_id,
            "kind": str(kind),
            "provider": provider,
            "model": model,
            "called_at": [],
            "state": str(AssetState.DONE),
            "cost": Cost(estimated=amount, unit=unit).to_document(),
        }

        def write(session: ClientSession) -> None:
            leaving = {"_id": user_id, "deleting_at": {"$ne": None}}
            if self._accounts.find_one(leaving, {"_id": True}, session=session) is not None:
                raise InvalidInput(_("This account is being deleted, so it can order nothing."))
            with self.within_budget(user_id, session) as moment:
                times = {"timings": {"queued_at": moment}, "removed_at": moment}
                self._receipts.insert_one(booked | times, session=session)

        self.in_turn(user_id, write)
        return str(booked["_id"])

    def unbook(self, booking: str | None) -> None:
        """Take back what `book` counted; the call was refused and cost nothing."""
        if booking is not None:
            self._receipts.delete_one({"_id": booking})

    def keep(self, user_id: str, documents: Iterable[Document]) -> None:
        """Keep what an account that is being removed has spent this month, until the month is over.

        Made anew under the same user_id, it goes on with the budget that it had. What is kept
        has neither the user_id nor anything that was made; it is found by a keyed hash. May be
        repeated: the same documents are kept once.

        Args:
            user_id: whose account it is.
            documents: its items or receipts; they are to be removed after this, not before.
        """
        if not self.budgets and self._turns.find_one({"_id": user_id}) is None:
            return  # no process holds this account to a budget
        moment = self._moment()
        owner = self._former(user_id)
        rows = []
        typical: dict[str, float | None] = {}
        for each in documents:  # as they are stored, whatever is in them
            cost, times = each.get("cost"), each.get("timings")
            if not isinstance(cost, dict) or not isinstance(times, dict) or cost.get("unit") == "":
                continue
            queued_at = times.get("queued_at")
            if not isinstance(queued_at, datetime) or queued_at < month_of(moment):
                continue
            if cost.get("estimated") is None and isinstance(each.get("params"), dict):
                cost = cost | {"estimated": self._typical(_like(each), typical)}
            row = {name: each.get(name) for name in ("kind", "provider", "model", "state")}
            row |= {"_id": self._users.pseudonym(f"receipt {each['_id']}"), "job_id": ""}
            row |= {"user_id": owner, "cost": cost, "called_at": each.get("called_at") or []}
            row["timings"] = {name: times[name] for name in _KEPT_TIMES if name in times}
            rows.append(row | {"removed_at": moment, "forget_at": next_month(moment)})
        if rows:
            self._receipts.bulk_write(
                [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
            )

    def _former(self, user_id: str) -> str:
        """Return whose the receipts are that a deleted account of that user_id left."""
        return f"~{self._users.pseudonym(f'budget {user_id}')}"  # no user_id has either sign

    def _standing(
        self,
        user_id: str,
        moment: datetime,
        typical: dict[str, float | None],
        session: ClientSession | None = None,
    ) -> defaultdict[str, Balance]:
        """Return how a user stands, by unit.

        Args:
            user_id: the user.
            moment: in the month that is looked at.
            typical: what has been found out about what items cost; it is added to, so that two
                looks within a transaction agree.
            session: the transaction's.
        """
        month = {"timings.queued_at": {"$gte": month_of(moment)}}
        unpriced = costs.unpriced(self._assumed)
        alike = {
            "unit": "$cost.unit",
            "like": {"$cond": [unpriced, costs.LIKE, None]},
            "open": {"$and": [unpriced, costs.OPEN]},
            "sent": {"$and": [unpriced, costs.sent_at(moment)]},
        }
        group = {
            "_id": alike,
            "amount": {"$sum": costs.counted(self._assumed)},
            "number": {"$sum": 1},
        }
        found: defaultdict[str, Balance] = defaultdict(Balance)
        for unit, budget in self.budgets.items():
            found[unit].budget = budget
        owners = {"$in": [user_id, self._former(user_id)]}
        for items in (self._items, self._receipts):  # a transaction takes no $unionWith
            match = {"user_id": owners if items is self._receipts else user_id} | month
            for each in items.aggregate([{"$match": match}, {"$group": group}], session=session):
                unit = each["_id"].get("unit")
                unit = unit if isinstance(unit, str) else Cost().unit
                balance = found[unit]
                balance.amount += each["amount"]
                balance.items += each["number"]
                like = each["_id"]["like"]
                if like is None or unit not in self.budgets:
                    continue
                amount = self._typical(like, typical)
                if amount is None:
                    balance.unpriced += each["number"]
                    balance.waiting += each["number"] if each["_id"]["open"] else 0
                    balance.sent += each["number"] if each["_id"]["sent"] else 0
                else:
                    balance.amount += each["number"] * amount
        return found

    def _typical(self, like: Document, known: dict[str, float | None]) -> float | None:
        """Return what the last items like one cost, looked up once.

        Args:
            like: what they have in common, as `costs.LIKE` gives it.
            known: what was looked up before.
        """
        key = repr(like)
        if not all(isinstance(like.get(name), str) for name in ("provider", "model", "kind")):
            return None
        if key not in known:
            known[key] = self._assets.typical_cost_of(
                like["provider"],
                like["model"],
                like["kind"],
                like["params"],
                edited=like["edited"],
            )
        return known[key]

    def _moment(self) -> datetime:
        """Return the time by the clock of the database."""
        moment: datetime = self._database.client.admin.command("hello")["localTime"]
        return moment.replace(tzinfo=UTC)  # what a command returns has no zone


def _like(item: Document) -> Document:
    """Return what `costs.LIKE` gives of an item."""
    found = {name: item.get(name) for name in ("provider", "model", "kind")}
    return found | {"edited": item.get("source") is not None, "params": item["params"]}
