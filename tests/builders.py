"""Documents that tests begin with; a test says only what it is about."""

from typing import Any

from core.models import Asset, AssetState, Kind
from tests.conftest import MOMENT


def done_item(kind: Kind = Kind.IMAGE, slot: int = 1, job_id: str = "01j", **fields: Any) -> Asset:
    """Return a finished item of a job of Ana's, with these fields in place of the usual ones."""
    usual: dict[str, Any] = {
        "id": f"{job_id}-{kind}-{slot}",
        "user_id": "ana",
        "provider": "fake",
        "model": "m",
        "params": {},
        "state": AssetState.DONE,
        "next_attempt_at": MOMENT,
    }
    return Asset(kind=kind, slot=slot, job_id=job_id, **usual | fields)
