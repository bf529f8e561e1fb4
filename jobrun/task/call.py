"""Call one function in a fresh interpreter: `call.py FD`, the call as JSON behind that descriptor.

    {"target": "module:function", "args": [], "kwargs": {}, "python_path": []}

and, where they are wanted, "report": a path for the report; "data" and
"data_file": a JSON value and where to write it; "soft": {"signal": 10, "after":
seconds}, the soft limit.

Like `python -m`, the current directory comes first on sys.path. The target may
be a script, too. Exit status: 0 if it returned, 1 if it raised (the traceback
is on stderr), 75 if it raised Retry, its own if it raised SystemExit, 2 if there
was nothing to call.

Little is imported before the call: what a job does not use it does not pay for.
"""

import sys

if __name__ == "__main__":
    # Before any other import: the directory of this file must shadow no module.
    _ROOM = __file__.rpartition("/")[0]
    sys.path[:] = [entry for entry in sys.path if entry != _ROOM]
    # `jobrun` is what the job's environment says it is, see `importing`; our own files go by their place.
    sys.modules["jobrun"] = type(sys)("jobrun")
    sys.modules["jobrun"].__path__ = [_ROOM.rpartition("/")[0]]

import faulthandler
import json
import os

from jobrun.task.importing import set_path
from jobrun.task.leftovers import Bystanders
from jobrun.task.making import make_call
from jobrun.task.results import write_whole
from jobrun.task.stopping import STOPPING
from jobrun.task.target import find


def main(argv: list[str]) -> int:
    """Read the call, make it, write its report, and return the exit status."""
    with os.fdopen(int(argv[1]), "rb") as file:
        call = json.loads(file.read().decode("utf-8"))
    faulthandler.enable()
    set_path(call["python_path"])
    sys.argv = [call["target"]]
    if call.get("data_file"):
        write_whole(call["data_file"], json.dumps(call.get("data")))
    STOPPING.install(None)
    soft = call.get("soft") or {}
    STOPPING.expect(soft.get("signal"), soft.get("after"))
    code, report = make_call(find, call["target"], call["args"], call["kwargs"], before=Bystanders())
    keep_report(report, call.get("report"))
    return code


def keep_report(report: str, path: "str | None") -> None:
    """Write the report; without a place for it, the result alone goes where $JOBRUN_RESULT says."""
    try:
        if path is not None:
            write_whole(path, report)
        elif os.environ.get("JOBRUN_RESULT") and "result" in json.loads(report):
            write_whole(os.environ["JOBRUN_RESULT"], json.dumps(json.loads(report)["result"]))
    except OSError as error:
        sys.stderr.write(f"jobrun: the result is not kept ({error})\n")


if __name__ == "__main__":
    del sys.modules["jobrun"]
    sys.exit(main(sys.argv))
