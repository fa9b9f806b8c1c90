"""How often somebody may try to log in: counted here, so that all web processes agree."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.database import Database

Document = dict[str, Any]

FORGET: Final = timedelta(hours=1)  # without a further attempt
FIRST_PAUSE_SECONDS: Final = 1
LONGEST_PAUSE_SECONDS: Final = 30


@dataclass(frozen=True)
class Limit:
    """What is allowed within an hour.

    Attributes:
        free: attempts that need no pause.
        most: attempts after which none is allowed for a while.
        lock: that while.
    """

    free: int
    most: int
    lock: timedelta = timedelta(minutes=15)


class LoginThrottle:
    """Keeps one document a key, such as an account or an address."""

    def __init__(self, database: Database[Document]) -> None:
        self._attempts = database["attempts"]

    def begin(self, key: str, limit: Limit) -> float:
        """Count an attempt before it is made, so that many at once are counted, too.

        After `limit.free` attempts each must wait twice as long as the one before (1, 2, 4 … s),
        and after `limit.most` there is a lock. What is not allowed does not count.

        Args:
            key: whose attempts.
            limit: what is allowed.

        Returns:
            the seconds to wait before the next one is allowed; 0: this one is.
        """
        # All in one update and by the database's clock.
        over = {"$subtract": ["$count", limit.free]}
        doubled = {"$multiply": [FIRST_PAUSE_SECONDS, {"$pow": [2, {"$subtract": [over, 1]}]}]}
        pause = {"$min": [doubled, LONGEST_PAUSE_SECONDS]}
        wait = {
            "$switch": {
                "branches": [
                    {
                        "case": {"$gte": ["$count", limit.most]},
                        "then": limit.lock.total_seconds() * 1000,
                    },
                    {"case": {"$gt": ["$count", limit.free]}, "then": {"$multiply": [pause, 1000]}},
                ],
                "default": 0,
            }
        }
        fresh = {"$gt": ["$forget_at", "$$NOW"]}
        document = self._attempts.find_one_and_update(
            {"_id": key},
            [
                {"$set": {"count": {"$cond": [fresh, "$count", 0]}}},
                {"$set": {"allowed": {"$lte": [{"$ifNull": ["$not_before", "$$NOW"]}, "$$NOW"]}}},
                {"$set": {"count": {"$add": ["$count", {"$cond": ["$allowed", 1, 0]}]}}},
                {
                    "$set": {
                        "not_before": {
                            "$cond": ["$allowed", {"$add": ["$$NOW", wait]}, "$not_before"]
                        },
                        "forget_at": {"$add": ["$$NOW", FORGET.total_seconds() * 1000]},
                        "now": "$$NOW",
                    }
                },
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if document is None or document["allowed"]:
            return 0.0
        pause_left: timedelta = document["not_before"] - document["now"]
        return max(pause_left.total_seconds(), 0.001)

    def take_back(self, key: str) -> None:
        """Count the last attempt no longer, for it was none to be feared."""
        self._attempts.update_one(
            {"_id": key, "count": {"$gt": 0}}, {"$inc": {"count": -1}, "$unset": {"not_before": ""}}
        )

    def forget(self, key: str) -> None:
        """Begin anew: the owner has shown to be there, or an admin wants it so."""
        self._attempts.delete_one({"_id": key})

    def forget_account(self, user_id: str) -> None:
        """Begin anew for an account, wherever its attempts came from.

        They are kept as `account NAME` and `account NAME WHENCE`; a user_id has no blank in it.
        """
        key = f"account {user_id}"
        whence = {"$gte": f"{key} ", "$lt": f"{key}!"}  # “!” is the character after the blank
        self._attempts.delete_many({"$or": [{"_id": key}, {"_id": whence}]})
