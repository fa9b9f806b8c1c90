"""A stand-in for a vendor, and the provider that asks it."""

import asyncio
import traceback
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from core.providers.base import Outcome, Provider, Request, Submission
from core.providers.errors import ProviderError
from tests.contract.fakes import Reports
from tests.servers.wire import Fault, VendorRecords


class World(ABC):
    """A vendor's address and records, and the requests to it."""

    def __init__(self, url: str, records: VendorRecords) -> None:
        self.url = url
        self.records = records
        self.key = records.key  # before a test lets the vendor want another one

    @abstractmethod
    def provider(self, **changed: Any) -> AbstractAsyncContextManager[Provider]:
        """Open a provider that asks this vendor."""

    def fault(self, what: str, **more: Any) -> None:
        """Have the next creating call meet a fault."""
        self.records.faults.append(Fault.model_validate({"what": what, **more}))

    def refuse(self, **details: Any) -> None:
        """Have the next creating call refused."""
        self.fault("refuse", **details)

    def make(
        self, request: Request, path: Path, **changed: Any
    ) -> tuple[Submission, Outcome, Reports]:
        """Make one item from submission to file."""

        async def run() -> tuple[Submission, Outcome, Reports]:
            reports = Reports()
            async with self.provider(**changed) as provider:
                submission = await provider.submit(request)
                outcome = await provider.follow(submission, reports)
                await provider.fetch(submission, path)
            return submission, outcome, reports

        return asyncio.run(run())

    def error(self, request: Request, path: Path, **changed: Any) -> ProviderError:
        """What making an item ends with; no text of it may hold the key."""
        with pytest.raises(ProviderError) as caught:
            self.make(request, path, **changed)
        error = caught.value
        logged = "".join(traceback.format_exception(error))
        assert self.key not in f"{error!r} {error.details} {error.__cause__!r} {logged}"
        return error
