"""What `import jobrun` finds in an interpreter where jobrun is not installed: `jobrun.task`, nothing else."""

import os

_ROOM = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
__path__ = [os.path.dirname(_ROOM)]

import jobrun.task as task  # noqa: E402, F401, PLR0402

# The rest of the package this lies in needs a newer Python and other packages.
__path__ = []
