"""Sending metrics and traces to a collector over OTLP/HTTP, by OpenTelemetry's SDK.

The SDK reads where to and how often from OpenTelemetry's own variables.
"""

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http import metric_exporter, trace_exporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

FLUSH_SECONDS: Final = 2.0  # a collector that does not answer delays no stop for longer
QUIET_SECONDS: Final = 600.0  # nor is it complained about more often


def start(process_name: str, version: str, *, metered: bool, traced: bool) -> None:
    """Send from now on, and what is left at the process's end.

    Args:
        process_name: the process, as in the log.
        version: the version of Fivefold.
        metered: whether metrics are sent.
        traced: whether traces are sent.
    """
    named = {
        "service.name": "fivefold",
        "service.version": version,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",  # as in the leases
        "fivefold.process": process_name,
    }
    # Its detector reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which win.
    resource = Resource.create(named | dict(OTELResourceDetector().detect().attributes))
    seldom = _Seldom()
    endings: list[Callable[[], None]] = []
    if metered:
        logging.getLogger(metric_exporter.__name__).addFilter(seldom)
        reader = PeriodicExportingMetricReader(metric_exporter.OTLPMetricExporter())
        meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        metrics.set_meter_provider(meters)
        endings.append(meters.shutdown)
    if traced:
        logging.getLogger(trace_exporter.__name__).addFilter(seldom)
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(BatchSpanProcessor(trace_exporter.OTLPSpanExporter()))
        trace.set_tracer_provider(tracers)
        endings.append(tracers.shutdown)
    _flush_at_exit(endings)


class _Seldom(logging.Filter):
    """Lets one message in a while through: each try of each batch would write one."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # the first is as good
        moment = time.monotonic()
        if moment < self._quiet_until:
            return False
        self._quiet_until = moment + QUIET_SECONDS
        return True


def _flush_at_exit(endings: list[Callable[[], None]]) -> None:
    """Send what is left when the process ends, as far as `FLUSH_SECONDS` allow.

    The SDK would wait for its collector much longer; so a thread waits instead. It is started
    now, since Python 3.12 and newer start none at exit.
    """
    ending = threading.Event()

    def flush() -> None:
        ending.wait()
        for end in endings:
            end()

    flusher = threading.Thread(target=flush, daemon=True)
    flusher.start()

    def at_exit() -> None:
        ending.set()
        flusher.join(FLUSH_SECONDS)

    atexit.register(at_exit)
