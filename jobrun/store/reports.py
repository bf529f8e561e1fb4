"""A report as a row of the `reports` table, and back. Apart from `rows`: few commands read reports."""

import json
from typing import Any

from jobrun.domain.report import Report, progress_text, raised_text, read_progress, read_raised
from jobrun.domain.run import Fence

COLUMNS = "run_id, attempt, result, progress, error"


def row_values(fence: Fence, report: Report) -> tuple[Any, ...]:
    """The values of `COLUMNS`, in their order."""
    return (
        fence.run_id,
        fence.attempt,
        report.result,
        None if report.progress is None else progress_text(report.progress),
        None if report.error is None else raised_text(report.error),
    )


def read_row(result: str | None, progress: str | None, error: str | None) -> Report:
    """The report of a row. When a job wanted its next try is in the run, not here."""
    return Report(
        result,
        None if error is None else read_raised(json.loads(error)),
        None if progress is None else read_progress(json.loads(progress)),
    )
