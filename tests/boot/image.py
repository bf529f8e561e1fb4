"""Makes the disk: a minimal Debian with systemd and its own kernel, jobrun installed from this tree.

Debian comes from its mirror by mmdebstrap and is kept as a tar file, since it
does not change; jobrun is built and installed anew each time, into a virtual
environment of the Python that the Debian has.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("mmdebstrap", "mkfs.ext4", "qemu-system-x86_64")
PACKAGES = (
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,python3,python3-venv,procps,"
    "linux-image-cloud-amd64,initramfs-tools"
)
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
DISK = "3G"
AGENT = """[Unit]
Description=The boot test's hand inside
Requires=dev-virtio\\x2dports-jobrun.boot.device
After=dev-virtio\\x2dports-jobrun.boot.device multi-user.target
[Service]
ExecStart=/usr/bin/python3 /root/agent.py
Restart=always
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Image:
    """A disk with what is needed to boot it without a boot loader."""

    disk: Path
    kernel: Path
    initrd: Path


def missing() -> list[str]:
    """The programs that are needed and not there."""
    return [name for name in NEEDED if shutil.which(name) is None]


def make(suite: str, place: Path, mirror: str | None) -> Image:
    """A new disk in `place`; a Debian that was fetched before is taken from there.

    Without a `mirror` it is the one that mmdebstrap knows.
    """
    tar = place / f"{suite}.tar"
    if not tar.exists():
        fetched = place / f"{suite}.part.tar"
        packages = f"--include={PACKAGES}"
        sources = [f"deb {mirror} {suite} main"] if mirror is not None else []
        _do("mmdebstrap", "--variant=minbase", packages, suite, str(fetched), *sources)
        fetched.rename(tar)
    root = place / f"{suite}.root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    _do("tar", "-xf", str(tar), "-C", str(root), "--exclude=./dev/*")
    _install(root, place / "wheels", PYTHONS[suite])
    _arrange(root)
    disk = place / f"{suite}.img"
    disk.unlink(missing_ok=True)
    _do("mkfs.ext4", "-q", "-d", str(root), str(disk), DISK)
    boot = place / f"{suite}.boot"
    boot.mkdir(exist_ok=True)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(next((root / "boot").glob(f"{name}-*")), boot / name)
    shutil.rmtree(root)
    return Image(disk, boot / "vmlinuz", boot / "initrd.img")


def _install(root: Path, wheels: Path, python: str) -> None:
    """jobrun and what it needs, as wheels for that Python; no network inside."""
    shutil.rmtree(wheels, ignore_errors=True)
    # From a copy: what an earlier build left in the tree would get into the wheel.
    source = wheels.with_name("source")
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    shutil.copytree(ROOT / "jobrun", source / "jobrun", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _do(*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
    own = next(wheels.glob("jobrun-*.whl"))
    for_python = ["--only-binary=:all:", "--python-version", python, "--dest", str(wheels)]
    _do(*pip, "download", *for_python, str(own))
    shutil.copytree(wheels, root / "root" / "wheels")
    inside = ["chroot", str(root)]
    _do(*inside, "/usr/bin/python3", "-m", "venv", "/opt/jobrun")
    install = ["install", "--quiet", "--no-index", "--find-links", "/root/wheels", "jobrun"]
    _do(*inside, "/opt/jobrun/bin/python", "-m", "pip", *install)
    (root / "usr/local/bin/jobrun").symlink_to("/opt/jobrun/bin/jobrun")


def _arrange(root: Path) -> None:
    """The units, a persistent journal, and no waiting for what a test machine does not have."""
    units = root / "etc/systemd/system"
    shutil.copy(ROOT / "systemd" / "jobrun.service", units)
    shutil.copy(ROOT / "systemd" / "user" / "jobrun.service", root / "root/user.service")
    shutil.copy(Path(__file__).with_name("agent.py"), root / "root/agent.py")
    (units / "boot-agent.service").write_text(AGENT, "utf-8")
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "boot-agent.service").symlink_to("/etc/systemd/system/boot-agent.service")
    (root / "var/log/journal").mkdir(exist_ok=True)
    (root / "etc/hostname").write_text("boottest\n", "utf-8")
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n", "utf-8")
    (root / "etc/machine-id").write_text("uninitialized\n", "utf-8")
    (root / "etc/jobrun").mkdir()


def _do(*words: str) -> None:
    """Run a program; its output is shown only if it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
