"""How far running runs say they are: percent, stage and facts, from the files their jobs write.

Read without the daemon, and loaded only when a job has said something.
"""

from collections.abc import Iterable
from pathlib import Path

from jobrun.cli.words import meta_words
from jobrun.domain.report import Progress
from jobrun.domain.run import Running, Stopping
from jobrun.proc.spool import find_progress
from jobrun.store.views import RunRow

_LONGEST = 40


def read_stages(rows: Iterable[RunRow], attempts_dir: Path) -> dict[int, Progress]:
    """What the running ones of these runs said last, by run."""
    found = {}
    for row in rows:
        if isinstance(row.run.status, Running | Stopping):
            progress = find_progress(row.run.fence, attempts_dir)
            if progress is not None:
                found[row.run.id] = progress
    return found


def percent_words(progress: Progress | None) -> str:
    """`40 %`, `33.3 %`; empty if it has said no number."""
    if progress is None or progress.percent is None:
        return ""
    return f"{progress.percent:.1f}".removesuffix(".0") + " %"


def stage_words(progress: Progress | None, longest: int = _LONGEST) -> str:
    """What it is doing and the facts beside that, in at most that many characters."""
    if progress is None:
        return ""
    text = " ".join(part for part in (progress.state or "", meta_words(progress.meta)) if part)
    return text if len(text) <= longest else text[: longest - 3] + "..."
