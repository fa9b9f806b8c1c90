"""What `python -m core run` does where it cannot start, or could not before: real processes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.runtime.crash_report import sentence
from core.runtime.supervisor import CannotStart, Child, check_address_is_free
from tests.product import ROOT, Product, free_port

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes namespaces")
NOBODY = 65_534


def refused(product: Product) -> str:
    """Start it where it cannot, and return the one sentence that it says."""
    done = product.command("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "Fivefold is ready" not in done.stdout
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("address", "port", "advice"),
    [
        ("192.0.2.7", 0, "No network interface of this machine has that address"),
        ("no-such-host.invalid", 0, "nor a name that leads to one"),
        ("2001:db8::7", 0, "No network interface of this machine has that address"),
        ("fe80::1%nowhere", 0, "nor a name that leads to one"),
    ],
)
def test_advice_fits_what_is_wrong_with_an_address(address: str, port: int, advice: str) -> None:
    with pytest.raises(CannotStart) as error:
        check_address_is_free(address, port or free_port())
    assert advice in str(error.value)
    assert "PORT=" not in str(error.value)


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::", "0.0.0.0", "localhost"])  # noqa: S104
def test_usual_addresses_can_be_listened_on(address: str) -> None:
    port = free_port()
    check_address_is_free(address, port)
    with socket.create_server((address, port), family=family_of(address)):  # and it left nothing
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_busy_port_asks_for_another_one(address: str) -> None:
    with socket.socket(family_of(address)) as squatter:
        squatter.bind((address, 0))
        squatter.listen()
        with pytest.raises(CannotStart, match=r"Address already in use. Set PORT to a free one"):
            check_address_is_free(address, squatter.getsockname()[1])


@ROOT_ONLY
def test_a_privileged_port_is_told_from_a_busy_one() -> None:
    os.seteuid(NOBODY)
    try:
        with pytest.raises(CannotStart) as error:
            check_address_is_free("127.0.0.1", 80)
    finally:
        os.seteuid(0)
    assert "Ports below 1024 are root's" in str(error.value)


def test_files_that_cannot_be_saved_are_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    message = refused(Product(tmp_path, CONTENT_URL=str(file)))
    assert f"CONTENT_URL, {file}: it is a file." in message
    message = refused(Product(tmp_path, CONTENT_URL="/proc/fivefold"))
    assert "CONTENT_URL, /proc/fivefold: No such file or directory." in message


@ROOT_ONLY
@pytest.mark.parametrize("size", ["1m", "12m"])
def test_a_tiny_disk_is_said(tmp_path: Path, size: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    product = Product(tmp_path)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c"]
        + [f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$1" -m core run', str(data)]
        + [sys.executable],
        cwd=ROOT,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr}")
    assert done.returncode == 1
    assert f"the disk of DATA_DIR, {data}, is full (" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_few_open_files_are_said_and_few_are_raised(tmp_path: Path) -> None:
    product = Product(tmp_path)
    product.prefix = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
    assert "did not start: SIGABRT: Too many open files." in refused(product)
    product.prefix = ["sh", "-c", 'ulimit -S -n 128; exec "$@"', "sh"]
    product.start()
    allowed = {each.rlimit(psutil.RLIMIT_NOFILE)[0] for each in product.children().values()}
    assert product.stop() == 0
    assert min(allowed) > 1024


def test_a_data_folder_that_is_a_link_may_lead_anywhere_but_nowhere(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    product = Product(tmp_path)
    assert f"used, {tmp_path / 'elsewhere'}: it is a link that leads nowhere." in refused(product)


CRASHES = """
import sys
print("one line", file=sys.stderr)
sys.exit("fivefold: the cause in its own words")
"""


def child_that(monkeypatch: pytest.MonkeyPatch, code: str) -> Child:
    """A child of the supervisor's that runs `code` instead of a part of Fivefold."""
    start = subprocess.Popen

    def popen(_: list[str], **options: object) -> object:
        return start([sys.executable, "-c", code], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr("core.runtime.supervisor.RESTART_PAUSES", (0.0,))
    return Child("worker")


def kept_running(child: Child, times: int) -> int:
    """Keep it running until it has been started so often; return how often it was."""
    starts = 1
    while starts < times:
        child.process.wait(120)
        former = child.process
        while child.process is former:
            child.keep_running()
        starts += 1
    return starts


def test_a_child_that_cannot_start_is_not_started_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = child_that(monkeypatch, CRASHES)
    with pytest.raises(CannotStart, match=r"worker ended 4 times .*the cause in its own words"):
        kept_running(child, 20)


def test_a_child_that_says_so_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    child = child_that(monkeypatch, "import sys; print('why', file=sys.stderr); sys.exit(78)")
    child.process.wait(120)
    with pytest.raises(CannotStart, match="worker cannot start: why"):
        child.keep_running()


@pytest.mark.parametrize("code", ["sys.exit(75)", "os.kill(os.getpid(), 9)", "sys.exit(0)"])
def test_a_child_whose_trouble_may_pass_is_started_again(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    child = child_that(monkeypatch, f"import os, sys; {code}")
    assert kept_running(child, 7) == 7
    child.process.wait(120)
    child.keep_running()


def test_a_terminal_that_is_not_utf_8_gets_replaced_letters_and_everything_stops(
    tmp_path: Path,
) -> None:
    product = Product(tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C")
    product.start()
    children = product.children()
    assert product.stop(signal.SIGINT) == 0
    assert "Stopping ?" in product.output
    assert "Stopped." in product.output
    assert "Traceback" not in product.output
    assert [name for name, each in children.items() if each.is_running()] == []


UNKNOWN = 54_321
CONTAINER = """
set -e
for place in "$1" "$2"; do
    mount --bind "$place" "$place"
    mount -o remount,bind,ro "$place"
done
if [ "$3" != / ]; then  # a folder above the interpreter that only root may enter
    aside=$(mktemp -d)
    mount --bind "$4" "$aside"
    mount -t tmpfs -o mode=755 tmpfs "$3"
    mkdir -p "$4"
    mount --bind -o ro "$aside" "$4"
fi
shift 4
exec setpriv --reuid=54321 --regid=54321 --clear-groups "$@"
"""


def as_in_a_container(tmp_path: Path) -> list[str]:
    """A command that runs another as an account that nobody knows.

    Only two folders are writable for it; the checkout and its `.venv` are mounted read-only.
    """
    for name in ("data", "generated_content"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, UNKNOWN, UNKNOWN)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's own are for their owner only
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    installed = Path(sys.base_prefix).resolve()
    closed = [each for each in installed.parents if not each.stat().st_mode & 0o001]
    packages = Path(sys.prefix).resolve()
    places = [str(each) for each in (ROOT, packages, closed[-1] if closed else "/", installed)]
    probe = ["unshare", "--mount", "sh", "-c", CONTAINER, "sh", *places]
    done = subprocess.run([*probe, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no namespaces here: {done.stderr}")
    return probe


def test_a_home_that_is_no_folder_is_none(tmp_path: Path) -> None:
    """System accounts have such ones."""
    product = Product(tmp_path, HOME="/dev/null")
    product.start()
    assert product.stop() == 0
    assert "Traceback" not in product.output


def test_streamlits_own_variables_change_nothing(tmp_path: Path) -> None:
    """It would wait for a mail address to be typed, or serve pages elsewhere."""
    variables = {"SERVER_HEADLESS": "false", "SERVER_BASE_URL_PATH": "x", "SERVER_PORT": "1"}
    product = Product(tmp_path, **{f"STREAMLIT_{name}": each for name, each in variables.items()})
    product.start()
    assert product.command("doctor").returncode == 0
    assert product.stop() == 0


@ROOT_ONLY
def test_an_account_without_a_home_can_run_it(tmp_path: Path) -> None:
    """As containers do it: a uid that no file knows, HOME unset, and only two folders writable."""
    product = Product(tmp_path, BIND_ADDRESS="::1", PUBLIC_URL="")
    product.environment.pop("HOME", None)
    product.url = f"http://[::1]:{product.port}"
    product.prefix = as_in_a_container(tmp_path)
    product.start()
    checked = product.command("doctor")
    assert "Traceback" not in checked.stdout + checked.stderr
    assert "✘" not in checked.stdout, checked.stdout
    [kept] = [each for each in (tmp_path / "data").iterdir() if each.name == "mongod.key"]
    assert kept.stat().st_uid == UNKNOWN
    assert product.stop() == 0


@ROOT_ONLY
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"DATA_DIR": "~/fivefold"}, "this account has none (HOME is not set)"),
        ({"CONTENT_URL": "~/fivefold"}, "this account has none (HOME is not set)"),
        ({"DATA_DIR": "/fivefold"}, "The data folder cannot be used, /fivefold: Permission denied"),
        ({"CONTENT_URL": "/fivefold"}, "CONTENT_URL, /fivefold: Permission denied"),
        ({"DATA_DIR": "", "CONTENT_URL": ""}, "Set CONTENT_URL to a folder that can be written to"),
    ],
)
def test_where_an_account_without_a_home_cannot_run_it_that_is_one_sentence(
    tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    product = Product(tmp_path, **changed)
    product.environment.pop("HOME", None)
    product.prefix = as_in_a_container(tmp_path)
    assert message in refused(product)


def test_what_nobody_expected_is_a_sentence_and_a_file(tmp_path: Path) -> None:
    try:
        raise TypeError("two\nlines")  # noqa: TRY301
    except TypeError as error:
        message = sentence(error, tmp_path)
    assert message.startswith(
        "an error that Fivefold did not expect ended this: TypeError: two lines"
    )
    [kept] = tmp_path.glob("error-*.txt")
    assert str(kept) in message
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "/srv/x"), "/srv/x: Permission denied."),
        (OSError(28, "No space left on device", "/srv/x"), "/srv/x: No space left on device. Make"),
        (OSError(18, "Invalid cross-device link", "/a", None, "/b"), "/a and /b: Invalid"),
        (ConnectionResetError(104, "Connection reset by peer"), "the system: Connection reset"),
    ],
)
def test_errors_of_the_system_name_their_path(error: OSError, message: str, tmp_path: Path) -> None:
    assert sentence(error, tmp_path).startswith(message)
    assert list(tmp_path.iterdir()) == []
