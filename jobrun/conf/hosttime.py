"""The time zone of the host, by name."""

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

_ZONEINFO = "zoneinfo/"


def host_timezone(environ: Mapping[str, str], etc: Path = Path("/etc")) -> str:
    """The name of the host's zone: $TZ, else the target of /etc/localtime, else /etc/timezone, else UTC.

    What is not the name of a known zone (`TZ=CET-1CEST`, a copied localtime
    file) is passed over. `etc` is the folder to look in.
    """
    said = environ.get("TZ", "").removeprefix(":")
    named = said.partition(_ZONEINFO)[2] if said.startswith("/") else said
    for name in (named, _linked(etc / "localtime"), _named(etc / "timezone")):
        if name and _is_zone(name):
            return name
    return "UTC"


def _linked(localtime: Path) -> str:
    try:
        target = str(localtime.readlink())
        if _ZONEINFO not in target:
            target = str(localtime.resolve())
    except (OSError, RuntimeError):
        return ""
    return target.partition(_ZONEINFO)[2]


def _named(timezone: Path) -> str:
    try:
        return timezone.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True
