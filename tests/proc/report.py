"""A job that reports what it inherited, as JSON: run by the tests, in place of a command."""

import json
import os
import resource
from pathlib import Path

status = dict(
    line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
)
print(
    json.dumps(
        {
            "descriptors": {
                # The listing has a descriptor of its own, which is gone when it is looked at.
                fd.name: str(fd.readlink())
                for fd in list(Path("/proc/self/fd").iterdir())
                if fd.exists()
            },
            "umask": status["Umask"],
            "blocked": int(status["SigBlk"], 16),
            "ignored": int(status["SigIgn"], 16),
            "limits": [
                list(resource.getrlimit(getattr(resource, name)))
                for name in sorted(dir(resource))
                if name.startswith("RLIMIT_")
            ],
            "session": os.getsid(0),
            "group": os.getpgid(0),
            "terminal": Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[4],
            "cwd": str(Path.cwd()),
            "env": dict(os.environ),
            "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
            "groups": sorted(os.getgroups()),
            "nice": os.getpriority(os.PRIO_PROCESS, 0),
        }
    )
)
