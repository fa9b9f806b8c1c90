"""The real processes, started as a user starts them, and killed."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.product import Product

SMALL = ("--seconds", "3", "--ratio", "1:1")


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    running = Product(tmp_path, LEASE_SECONDS="3")
    running.start()
    yield running
    running.stop()


def family(product: Product) -> list[psutil.Process]:
    return psutil.Process(product.process.pid).children(recursive=True)


def test_ctrl_c_stops_everything_and_leaves_no_process(product: Product) -> None:
    processes = family(product)
    assert set(product.children()) == {"web", "worker", "notifier", "mongod"}
    assert product.stop(signal.SIGINT) == 0
    assert [each for each in processes if each.is_running()] == []


def test_a_killed_supervisor_leaves_none_of_ours_and_the_next_start_works(
    product: Product, tmp_path: Path
) -> None:
    ours = [process for name, process in product.children().items() if name != "mongod"]
    product.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs(ours, timeout=60)
    assert alive == []
    again = Product(tmp_path)
    again.start()
    assert again.command("doctor").returncode == 0
    assert again.stop() == 0


def test_a_second_start_on_the_same_data_is_one_sentence(product: Product) -> None:
    second = product.command("run")
    assert second.returncode == 1
    assert second.stderr.startswith("fivefold: Fivefold already runs on the data folder")
    assert "Traceback" not in second.stderr


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    product = Product(tmp_path)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", product.port))
        squatter.listen()
        refused = product.command("run")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"fivefold: Port {product.port} on 127.0.0.1 cannot be used")


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("PORT", "x", "These settings cannot be used"),
        ("DATA_DIR", "/dev/null/x", "The data folder"),
        ("CONTENT_URL", "ftp://x/y", "CONTENT_URL"),
        ("MONGODB_URI", "http://db", "MONGODB_URI: it starts with mongodb://"),
        ("MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300", "does not answer"),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(
    tmp_path: Path, setting: str, value: str, sentence: str
) -> None:
    refused = Product(tmp_path, **{setting: value}).command("run")
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_job_survives_the_death_of_every_process(product: Product) -> None:
    ordered = product.command("generate", "the sea at dusk", "--user", "Ana", "--json", *SMALL)
    job_id = json.loads(ordered.stdout)["_id"]
    product.hear(f"{job_id}-image-1: saved")
    victims = product.children()
    for name in ("worker", "mongod", "notifier", "web"):
        victims[name].kill()
    product.hear("worker ended (SIGKILL)")
    product.hear(f"{job_id}-video-5: saved", 240)
    product.hear(f"{product.url}/job?id={job_id}")
    job = json.loads(product.command("job", job_id, "--json").stdout)
    assert job["status"] == "Completed"
    assert job["user_id"] == "ana"
    assert job["generated_at"] is not None
    assert len(job["image_paths"]) == len(job["video_paths"]) == 5
    assert all(Path(path).stat().st_size for path in job["image_paths"] + job["video_paths"])
    folder = Path(job["image_paths"][0]).parent
    assert not list(folder.rglob("*.part"))


def test_the_command_line_waits_lists_and_reports(product: Product) -> None:
    done = product.command("generate", "a fox", "--user", "ben", "--wait", "--json", *SMALL)
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    assert job["status"] == "Completed"
    listed = json.loads(product.command("jobs", "--user", "BEN", "--json").stdout)
    assert [each["_id"] for each in listed] == [job["_id"]]
    assert "Completed: 5 of 5 images, 5 of 5 videos" in product.command("job", job["_id"]).stdout
    health = product.command("doctor", "--json")
    assert health.returncode == 0
    assert {finding["ok"] for finding in json.loads(health.stdout)} == {True}


def test_without_a_running_product_the_command_line_says_so(tmp_path: Path) -> None:
    product = Product(tmp_path)
    refused = product.command("generate", "x", "--user", "ana")
    assert refused.returncode == 1
    assert refused.stderr == "fivefold: Fivefold is not running here. Start it with `make run`.\n"
    health = product.command("doctor", "--json")
    assert health.returncode == 1
    findings = {finding["name"]: finding["ok"] for finding in json.loads(health.stdout)}
    assert findings["database"] is False
    assert findings["encoder"] is True
