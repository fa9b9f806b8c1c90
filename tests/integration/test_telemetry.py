"""What a collector hears. Providers are global to a process, so each test starts its own."""

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.product import ROOT

PROMPT = "a secret garden"
START = """
import sys
from datetime import timedelta
from core import telemetry
from core.models import Asset, AssetState, now
from core.runtime.process import prepare

prepare("worker", "INFO", "text")


def asset(name="01j-image-1", *, waited=0.0, **more):
    return Asset(
        _id=name, job_id="01j", user_id="quillfeather", kind="image", slot=1, provider="painter",
        model="oil-1", params={"prompt": "a secret garden"}, attempts=2,
        next_attempt_at=now() - timedelta(seconds=waited), **more,
    )
"""
WORK = """
done = asset(waited=40.0, timings={"queued_at": now() - timedelta(seconds=90)})
with telemetry.item_span(done):
    with telemetry.step_span("submit"):
        pass
    telemetry.item_started(done)
    telemetry.item_ended(done, AssetState.DONE)
resumed = asset("01j-image-2", timings={"started_at": now() - timedelta(seconds=400)})
telemetry.item_ended(resumed, AssetState.DONE)
failed = asset("01j-image-3", timings={"started_at": now()})
with telemetry.item_span(failed):
    try:
        with telemetry.step_span("follow"):
            raise RuntimeError("refused: a secret garden")
    except RuntimeError:
        telemetry.item_retried(failed)
        telemetry.item_ended(failed, AssetState.FAILED)
telemetry.handed_out(3)
telemetry.handed_out(4)
lane = ("painter", "oil-1")
telemetry.report_queue({lane: 9, ("painter", "ink"): 1}, {lane: 2})
telemetry.report_queue({lane: 7}, {lane: 5})
"""


class Collector:
    """An OTLP/HTTP collector on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.traces: list[ExportTraceServiceRequest] = []
        self.raw = b""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.hear(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def hear(self, path: str, body: bytes) -> None:
        self.raw += body
        if path == "/v1/metrics":
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))
        elif path == "/v1/traces":
            self.traces.append(ExportTraceServiceRequest.FromString(body))

    def metric(self, name: str) -> Metric | None:
        """The last values of an instrument."""
        found = [
            metric
            for request in self.metrics
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return found[-1] if found else None

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


def process(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", START + code],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def plain(attributes: Any) -> dict[str, Any]:  # protobuf's repeated fields
    def value(pair: KeyValue) -> object:
        return getattr(pair.value, pair.value.WhichOneof("value") or "")

    return {pair.key: value(pair) for pair in attributes}


PAINTED = {"provider": "painter", "model": "oil-1", "kind": "image"}


def test_a_collector_hears_the_metrics(collector: Collector) -> None:
    done = process(WORK, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert done.stderr == ""
    wait = collector.metric("fivefold.item.wait")
    assert wait is not None
    [point] = wait.histogram.data_points
    assert (wait.unit, point.count, plain(point.attributes)) == ("s", 1, PAINTED)
    assert 40 <= point.sum < 50  # since it was due again, not since it was first queued
    assert list(point.explicit_bounds)[:3] == [0.1, 0.25, 0.5]
    assert list(point.explicit_bounds)[-2:] == [1800, 3600]
    duration = collector.metric("fivefold.item.duration")
    assert duration is not None
    [point] = duration.histogram.data_points
    assert (duration.unit, point.count, plain(point.attributes)) == ("s", 2, PAINTED)
    assert 400 <= point.sum < 410
    endings = collector.metric("fivefold.item.endings")
    assert endings is not None
    assert endings.unit == "{item}"
    assert endings.sum.is_monotonic
    counted = {
        plain(point.attributes)["state"]: (point.as_int, set(plain(point.attributes)))
        for point in endings.sum.data_points
    }
    names = PAINTED.keys() | {"state"}
    assert counted == {"done": (2, names), "failed": (1, names)}
    retries = collector.metric("fivefold.item.retries")
    assert retries is not None
    assert [plain(point.attributes) for point in retries.sum.data_points] == [PAINTED]
    handed_out = collector.metric("fivefold.dispatch.handed_out")
    assert handed_out is not None
    assert [point.as_int for point in handed_out.sum.data_points] == [7]
    for name, number in (("depth", 7), ("in_flight", 5)):
        gauge = collector.metric(f"fivefold.queue.{name}")
        assert gauge is not None
        assert gauge.unit == "{item}"
        [value] = gauge.gauge.data_points
        assert value.as_int == number
        assert plain(value.attributes) == {"provider": "painter", "model": "oil-1"}


def test_a_collector_hears_the_traces(collector: Collector) -> None:
    process(WORK, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces")
    assert collector.metrics == []
    spans = collector.spans()
    items = {plain(each.attributes)["asset.id"]: each for each in spans if each.name == "make item"}
    assert len(items) == 2
    item = items["01j-image-1"]
    assert plain(item.attributes) == PAINTED | {
        "job.id": "01j",
        "asset.id": "01j-image-1",
        "attempt": 2,
        "state": "done",
    }
    assert item.status.code == Status.STATUS_CODE_UNSET
    submit = next(each for each in spans if each.name == "submit")
    assert (submit.trace_id, submit.parent_span_id) == (item.trace_id, item.span_id)
    follow = next(each for each in spans if each.name == "follow")
    assert follow.trace_id == items["01j-image-3"].trace_id != item.trace_id
    assert (follow.status.code, follow.status.message) == (Status.STATUS_CODE_ERROR, "RuntimeError")
    [event] = follow.events
    assert event.name == "exception"
    assert plain(event.attributes)["exception.type"] == "RuntimeError"
    assert 'File "<string>"' in plain(event.attributes)["exception.stacktrace"]
    failed = items["01j-image-3"]
    assert (failed.status.code, failed.status.message) == (Status.STATUS_CODE_ERROR, "failed")


def test_it_says_who_it_is_and_never_what_was_asked(collector: Collector) -> None:
    process(
        WORK,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_SERVICE_NAME="studio",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    resources = [
        plain(each.resource.attributes)
        for request in (*collector.metrics, *collector.traces)
        for each in getattr(request, "resource_metrics", getattr(request, "resource_spans", ()))
    ]
    assert len(resources) >= 2
    assert {each["service.name"] for each in resources} == {"studio"}
    assert {each["fivefold.process"] for each in resources} == {"worker"}
    assert {each["deployment.environment.name"] for each in resources} == {"test"}
    [instance] = {each["service.instance.id"] for each in resources}
    assert instance.startswith(f"{socket.gethostname()}:")
    assert PROMPT.encode() not in collector.raw
    assert b"quillfeather" not in collector.raw


def test_a_queue_that_is_reported_no_more_is_sent_no_more(collector: Collector) -> None:
    stale = "telemetry.STALE_SECONDS = 0.0\n"
    process(WORK + stale, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert collector.metric("fivefold.item.endings") is not None
    assert collector.metric("fivefold.queue.depth") is None


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"},
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_TRACES_EXPORTER": "none",
        },
    ],
)
def test_without_a_collector_the_sdk_is_not_even_imported(variables: dict[str, str]) -> None:
    loaded = (
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', "
        "'opentelemetry.exporter', 'google.protobuf'))])"
    )
    done = process(WORK + loaded, **variables)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("listens", [True, False])
def test_a_collector_that_does_not_answer_delays_no_stop_and_is_told_once(*, listens: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:  # takes connections and says nothing
            silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = process(
            WORK + "import time\nprint(time.monotonic())", OTEL_EXPORTER_OTLP_ENDPOINT=address
        )
        assert (
            time.monotonic() - float(done.stdout) < 9.0
        )  # two, and the end of the interpreter; by default it takes ten
    lines = done.stderr.splitlines()
    assert len(lines) == (0 if listens else 1)
    assert all(" worker   WARNING Transient error" in line for line in lines)
