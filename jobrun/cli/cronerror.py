"""A bad cron expression as an error with a caret under the field."""

from jobrun.domain.calendar import CronError
from jobrun.domain.errors import UsageError


def cron_problem(expression: str, error: CronError) -> UsageError:
    """The error as a sentence, with the expression and a caret as its hint."""
    field = f"{error.field}: " if error.field else ""
    hint = [error.hint] if error.hint else []
    if error.end > error.start and expression.isprintable():
        hint += [expression, " " * error.start + "^" * (error.end - error.start)]
    return UsageError(f"{field}{error.reason}.", "\n".join(hint))
