"""The only code that speaks to MongoDB."""

from pymongo.errors import PyMongoError as DatabaseError

from core.store.connection import DatabaseUnavailable, Store, open_store
from core.store.work.item_leases import LeaseLost

__all__ = ["DatabaseError", "DatabaseUnavailable", "LeaseLost", "Store", "open_store"]
