"""Import what jobs name, without calling it: `trying.py`, the names as JSON on stdin.

    {"python_path": [], "targets": ["module:function", "/srv/script.py"]}

Its answers are lines of JSON on stdout: first {"python": "3.11.7"}, then for each
target, as soon as it is known, {"target": ..., "error": null or a sentence}. What
the imports print themselves goes to stderr.

A script is not run: it is compiled, and the modules that it imports whenever it
runs are looked for.

This file begins without anything that an older Python does not know, so that
its age can be told.
"""

import sys

if __name__ == "__main__":
    # Before any other import: the directory of this file must shadow no module.
    _ROOM = __file__.rpartition("/")[0]
    sys.path[:] = [entry for entry in sys.path if entry != _ROOM]
    # Our own files go by their place, whatever `jobrun` is in the job's environment.
    sys.modules["jobrun"] = type(sys)("jobrun")
    sys.modules["jobrun"].__path__ = [_ROOM.rpartition("/")[0]]

import json
import os

OLDEST = (3, 9)


def main() -> None:
    """Answer, as the head of this file says."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**facts: object) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    asked = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    answer(python=".".join(str(part) for part in sys.version_info[:3]))
    if sys.version_info < OLDEST:
        return
    from jobrun.task.importing import set_path
    from jobrun.task.trial import try_target

    # From here on `jobrun` is what the job's environment says it is.
    del sys.modules["jobrun"]
    set_path(asked["python_path"])
    for target in asked["targets"]:
        answer(target=target, error=try_target(target))


if __name__ == "__main__":
    main()
    # Not by the interpreter's end: an import may have started threads that never end.
    os._exit(0)
