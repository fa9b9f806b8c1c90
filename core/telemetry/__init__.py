"""What Fivefold measures and traces, by OpenTelemetry's API.

Where OpenTelemetry's variables name no collector, all of this does nothing, and its SDK is not
even imported. Prompts and user ids are left out, and of an exception so is its sentence, which
may quote a prompt.
"""

import os
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation

from core.models import Asset, AssetState, now

STALE_SECONDS: Final = 60.0  # who no longer leads reports no more, and its last report is dropped
BUCKETS: Final = (
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0),
)
"""Upper bounds of the histograms' buckets in seconds: a sketch takes one, a clip may take many."""

_Items = Mapping[tuple[str, str], int]  # by provider and model
_Attributes = dict[str, str | int]

_meter = metrics.get_meter("fivefold")
_tracer = trace.get_tracer("fivefold")
_wait = _meter.create_histogram(
    "fivefold.item.wait",
    unit="s",
    description="From when an item was queued, or due again, until its provider took it.",
    explicit_bucket_boundaries_advisory=BUCKETS,
)
_duration = _meter.create_histogram(
    "fivefold.item.duration",
    unit="s",
    description="From when a provider took an item until its file was saved.",
    explicit_bucket_boundaries_advisory=BUCKETS,
)
_endings = _meter.create_counter(
    "fivefold.item.endings", unit="{item}", description="Items that ended, by state."
)
_retries = _meter.create_counter(
    "fivefold.item.retries", unit="{item}", description="Items put back to be tried again."
)
_handed_out = _meter.create_counter(
    "fivefold.dispatch.handed_out", unit="{item}", description="Items handed out to workers."
)
_started: dict[str, datetime] = {}  # by asset, as long as its span lasts


class _Gauge:
    def __init__(self, name: str, description: str) -> None:
        self._items: _Items = {}
        self._reported_at = 0.0
        _meter.create_observable_gauge(
            name, callbacks=[self._observe], unit="{item}", description=description
        )

    def report(self, items: _Items) -> None:
        self._items, self._reported_at = dict(items), time.monotonic()

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        if time.monotonic() - self._reported_at < STALE_SECONDS:
            for (provider, model), number in self._items.items():
                yield Observation(number, {"provider": provider, "model": model})


_depth = _Gauge("fivefold.queue.depth", "Items that wait.")
_in_flight = _Gauge("fivefold.queue.in_flight", "Items that are being made.")


def setup(process_name: str, version: str) -> None:
    """Send metrics and traces where OpenTelemetry's variables name a collector, else do nothing.

    Args:
        process_name: the process, as in the log.
        version: the version of Fivefold.
    """
    metered, traced = _collected("METRICS"), _collected("TRACES")
    if metered or traced:
        from core.telemetry import otlp  # noqa: PLC0415  # loads the SDK: only where it is used

        otlp.start(process_name, version, metered=metered, traced=traced)


def item_started(asset: Asset) -> None:
    """Count the wait of an item that its provider has just taken; not of one that is resumed."""
    moment = _started[asset.id] = now()
    due = max(asset.timings.get("queued_at", moment), asset.next_attempt_at)
    _wait.record(_seconds(due, moment), _attributes(asset))


def item_ended(asset: Asset, state: AssetState) -> None:
    """Count the ending of an item and, where it is done, the time from its start.

    Args:
        asset: the item as it was claimed.
        state: how it ended; the current span is marked with it.
    """
    _endings.add(1, _attributes(asset) | {"state": state.value})
    start = _started.get(asset.id) or asset.timings.get("started_at")
    if state == AssetState.DONE and start is not None:
        _duration.record(_seconds(start, now()), _attributes(asset))
    span = trace.get_current_span()
    span.set_attribute("state", state.value)
    if state in {AssetState.FAILED, AssetState.UNKNOWN}:
        span.set_status(trace.StatusCode.ERROR, state.value)


def item_retried(asset: Asset) -> None:
    """Count an item that was put back to be tried again."""
    _retries.add(1, _attributes(asset))


def handed_out(items: int) -> None:
    """Count items that the dispatcher handed out to workers."""
    _handed_out.add(items)


def report_queue(depth: _Items, in_flight: _Items) -> None:
    """Store the queue as the leader sees it, to be sent until the next report.

    Args:
        depth: how many items wait, by provider and model.
        in_flight: how many are being made.
    """
    _depth.report(depth)
    _in_flight.report(in_flight)


@contextmanager
def item_span(asset: Asset) -> Iterator[None]:
    """Trace the run of a claimed item."""
    attributes = _attributes(asset)
    attributes |= {"job.id": asset.job_id, "asset.id": asset.id, "attempt": asset.attempts}
    try:
        with _span("make item", attributes):
            yield
    finally:
        _started.pop(asset.id, None)


def step_span(name: str) -> AbstractContextManager[None]:
    """Trace a step of the current item: `submit`, `follow`, `fetch` or `save`."""
    return _span(name, {})


@contextmanager
def _span(name: str, attributes: _Attributes) -> Iterator[None]:
    # The API would record an exception with its sentence.
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as error:
            kind = type(error).__qualname__
            frames = "".join(traceback.format_tb(error.__traceback__))
            span.add_event("exception", {"exception.type": kind, "exception.stacktrace": frames})
            span.set_status(trace.StatusCode.ERROR, kind)
            raise


def _attributes(asset: Asset) -> _Attributes:
    return {"provider": asset.provider, "model": asset.model, "kind": asset.kind.value}


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())  # two machines' clocks may differ


def _collected(signal: str) -> bool:
    """Whether OpenTelemetry's variables name a collector for `METRICS` or `TRACES`."""
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return (
        any(os.environ.get(variable) for variable in endpoints)
        and os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp") != "none"
        and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
    )
