"""Many due mails at once, written straight into the database."""

from collections.abc import Sequence
from typing import Any

from pymongo.database import Database

from core import models

USER = "ana"
ADDRESS = "ana@example.org"


def fill(
    database: Database[dict[str, Any]], number: int, previews: Sequence[str] = ()
) -> list[str]:
    """Store so many completed jobs, each with a mail that is due; return the rows' ids.

    Args:
        database: with its schema; `ADDRESS` is confirmed for `USER`.
        number: how many.
        previews: stored paths of small pictures that each job's images have.
    """
    moment = models.now()
    jobs, assets, rows = [], [], []
    for turn in range(number):
        job = models.Job(
            id=f"job{turn:05}",
            user_id=USER,
            prompt=f"A lighthouse in a storm, at dusk, number {turn}",
            status=models.JobStatus.COMPLETED,
            created_at=moment,
            updated_at=moment,
            requested=models.Requested(images=5, videos=5),
            options=models.Options(ratio="1:1", seed=1),
        )
        jobs.append(job.to_document())
        assets += [
            _image(job, slot, preview).to_document() for slot, preview in enumerate(previews)
        ]
        row = models.Notice(
            id=f"{job.id}-email",
            job_id=job.id,
            user_id=USER,
            channel="email",
            recipient=ADDRESS,
            due_at=moment,
            created_at=moment,
        )
        rows.append(row.to_document())
    database["jobs"].insert_many(jobs)
    if assets:
        database["assets"].insert_many(assets)
    database["outbox"].insert_many(rows)
    return [row["_id"] for row in rows]


def _image(job: models.Job, slot: int, preview: str) -> models.Asset:
    return models.Asset(
        id=f"{job.id}-image-{slot}",
        job_id=job.id,
        user_id=USER,
        kind=models.Kind.IMAGE,
        slot=slot,
        provider="fake",
        model="fake-1",
        params={"width": 1024, "height": 1024},
        state=models.AssetState.DONE,
        preview=preview,
        width=1024,
        height=1024,
        next_attempt_at=models.DUE_NOW,
    )
