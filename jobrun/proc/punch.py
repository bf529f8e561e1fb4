"""Giving a file's blocks back from its middle: fallocate(2), FALLOC_FL_PUNCH_HOLE.

The size and the bytes around the hole stay; a writer that appends notices nothing.
"""

import ctypes
import errno
import os
from functools import cache

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02


@cache
def _fallocate() -> "ctypes._NamedFuncPointer | None":
    libc = ctypes.CDLL(None, use_errno=True)
    for name in ("fallocate64", "fallocate"):
        function = getattr(libc, name, None)
        if function is not None:
            wide = ctypes.c_int64
            function.argtypes = (ctypes.c_int, ctypes.c_int, wide, wide)
            return function  # type: ignore[no-any-return]
    return None


def punch_hole(fd: int, start: int, length: int) -> bool:
    """Free the blocks of [start, start + length); False where file system or kernel cannot.

    Raises OSError for any other trouble.
    """
    function = _fallocate()
    if function is None:
        return False
    if function(fd, _KEEP_SIZE | _PUNCH_HOLE, start, length) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EINVAL):
        return False
    raise OSError(number, os.strerror(number))
