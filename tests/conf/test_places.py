"""Where things are, and the host's zone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobrun.conf.hosttime import host_timezone
from jobrun.conf.paths import SOCKET_PATH_LIMIT, Places, find_places
from jobrun.domain.errors import JobrunError, UsageError


def test_root_has_the_places_of_a_system_service() -> None:
    places = find_places(None, None, {"HOME": "/root", "XDG_CONFIG_HOME": "/x"}, 0)
    assert str(places.config) == "/etc/jobrun/jobs.toml"
    assert str(places.jobs_dir) == "/etc/jobrun/jobs.d"
    assert str(places.state_dir) == "/var/lib/jobrun"
    assert str(places.socket) == "/run/jobrun/control.sock"
    assert str(places.database) == "/var/lib/jobrun/jobrun.db"
    assert str(places.lock) == "/var/lib/jobrun/lock"
    assert str(places.logs) == "/var/lib/jobrun/logs"
    assert str(places.attempts) == "/var/lib/jobrun/attempts"


def test_others_have_the_xdg_places() -> None:
    places = find_places(None, None, {"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7"}, 7)
    assert str(places.config) == "/home/u/.config/jobrun/jobs.toml"
    assert str(places.state_dir) == "/home/u/.local/state/jobrun"
    assert str(places.socket) == "/run/user/7/jobrun/control.sock"
    xdg = {"HOME": "/home/u", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}
    places = find_places(None, None, xdg, 7)
    assert str(places.config) == "/c/jobrun/jobs.toml"
    assert str(places.socket) == "/s/jobrun/control.sock"


def test_who_asks_goes_by_the_state_directory(tmp_path: Path) -> None:
    places = Places(Path("/c"), Path("/d"), tmp_path, tmp_path / "run")
    assert places.found_socket == places.socket == tmp_path / "run/control.sock"
    assert places.socket_link == tmp_path / "control.sock"
    elsewhere = tmp_path / "elsewhere.sock"
    places.socket_link.symlink_to(elsewhere)
    assert places.found_socket == elsewhere
    places.socket_link.unlink()
    places.socket_link.touch()
    assert places.found_socket == places.socket_link
    assert Places(Path("/c"), Path("/d"), tmp_path).socket_link is None


def test_a_relative_xdg_value_is_ignored_as_its_specification_says() -> None:
    environ = {"HOME": "/home/u", "XDG_CONFIG_HOME": "c", "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": "r"}
    places = find_places(None, None, environ, 7)
    assert str(places.config) == "/home/u/.config/jobrun/jobs.toml"
    assert str(places.socket) == "/home/u/.local/state/jobrun/control.sock"


def test_the_command_line_comes_before_the_environment() -> None:
    environ = {"JOBRUN_CONFIG": "/e/jobs.toml", "JOBRUN_STATE_DIR": "/e/state"}
    places = find_places(None, None, environ, 0)
    assert (str(places.config), str(places.state_dir)) == ("/e/jobs.toml", "/e/state")
    assert str(places.socket) == "/e/state/control.sock"
    places = find_places("/o/jobs.toml", "/o/state", environ, 0)
    assert (str(places.config), str(places.state_dir)) == ("/o/jobs.toml", "/o/state")
    assert str(places.socket) == "/o/state/control.sock"
    assert find_places(None, None, {"JOBRUN_CONFIG": "", "JOBRUN_STATE_DIR": ""}, 0).state_dir == Path(
        "/var/lib/jobrun"
    )


def test_a_relative_path_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = find_places("x/../jobs.toml", "state", {}, 0)
    assert (places.config, places.state_dir) == (tmp_path / "jobs.toml", tmp_path / "state")
    assert places.jobs_dir == tmp_path / "jobs.d"
    for empty in ("", "a\0b"):
        with pytest.raises(UsageError):
            find_places(empty, None, {}, 0)


def test_without_home_the_account_is_asked_and_then_the_user() -> None:
    places = find_places(None, None, {}, 65534)
    assert places.config.name == "jobs.toml"
    with pytest.raises(UsageError, match="HOME is not set"):
        find_places(None, None, {}, 999_999)


def test_a_socket_path_over_the_limit_is_refused_with_a_way_out() -> None:
    """The kernel takes 107 bytes; bytes are counted, not characters."""
    room = SOCKET_PATH_LIMIT - len("/control.sock")
    fitting = Places(Path("/c"), Path("/d"), Path("/" + "a" * (room - 1)))
    assert len(str(fitting.socket)) == SOCKET_PATH_LIMIT
    for folder in ("/" + "a" * room, "/" + "ü" * (room // 2 + 1)):
        with pytest.raises(JobrunError, match="more than the 107") as caught:
            _ = Places(Path("/c"), Path("/d"), Path(folder)).socket
        assert "--state-dir" in caught.value.hint


def test_finding_places_loads_next_to_nothing() -> None:
    """`jobrun status` pays for this module on every call."""
    code = "import sys; old = set(sys.modules); import jobrun.conf.paths; print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "pydantic",
        "tomllib",
        "asyncio",
        "tomli_w",
        "difflib",
        "json",
        "zoneinfo",
        "tempfile",
    }


# the host's zone


def etc(path: Path, *, link: str | None = None, name: str | None = None) -> Path:
    if link is not None:
        (path / "localtime").symlink_to(link)
    if name is not None:
        (path / "timezone").write_text(name)
    return path


@pytest.mark.parametrize(
    ("tz", "zone"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("", "Europe/Berlin"),
        ("CET-1CEST,M3.5.0", "Europe/Berlin"),
        ("../../etc/passwd", "Europe/Berlin"),
        ("/etc/localtime", "Europe/Berlin"),
    ],
)
def test_tz_comes_first_if_it_names_a_zone(tmp_path: Path, tz: str, zone: str) -> None:
    folder = etc(tmp_path, link="/usr/share/zoneinfo/Europe/Berlin", name="America/New_York\n")
    assert host_timezone({"TZ": tz}, folder) == zone


def test_the_link_comes_before_the_text(tmp_path: Path) -> None:
    folder = etc(tmp_path, link="../usr/share/zoneinfo/Europe/Berlin", name="America/New_York\n")
    assert host_timezone({}, folder) == "Europe/Berlin"


def test_a_copied_localtime_leaves_the_text(tmp_path: Path) -> None:
    (tmp_path / "localtime").write_bytes(b"TZif2")
    assert host_timezone({}, etc(tmp_path, name="America/New_York\n")) == "America/New_York"


def test_a_host_that_says_nothing_is_in_utc(tmp_path: Path) -> None:
    assert host_timezone({}, tmp_path) == "UTC"
    assert host_timezone({}, etc(tmp_path, link=os.devnull, name="Not/AZone")) == "UTC"
