"""A warm worker: `worker.py FD`, where FD is a SOCK_SEQPACKET socket to the daemon; see `serving`."""

import sys

if __name__ == "__main__":
    # Before any other import: the directory of this file must shadow no module.
    _ROOM = __file__.rpartition("/")[0]
    sys.path[:] = [entry for entry in sys.path if entry != _ROOM]
    # `jobrun` is what the job's environment says it is, see `importing`; our own files go by their place.
    sys.modules["jobrun"] = type(sys)("jobrun")
    sys.modules["jobrun"].__path__ = [_ROOM.rpartition("/")[0]]
    from jobrun.task.serving import main

    del sys.modules["jobrun"]
    sys.exit(main(sys.argv))
