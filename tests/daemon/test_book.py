"""The book's way back: after a rollback nothing of what was taken back is left."""

from dataclasses import replace

from jobrun.daemon.book import Book
from jobrun.domain.job import Job, PythonCall, ShellCommand
from jobrun.domain.run import Queued, Run, Starting, Trigger


def test_a_definition_that_was_taken_back_leaves_no_pool_behind():
    """Seen: its id came again for a shell job, whose runs then held the places of a warm pool."""
    book = Book()
    warm = Job(name="submit:command", body=PythonCall("m:f", pool="small"))
    run = Run(
        id=1,
        job=warm.name,
        queue="default",
        definition_id=7,
        trigger=Trigger.SUBMIT,
        status=Queued(0),
        created_at=0,
    )
    book.set(book.jobs_by_definition, 7, warm)
    book.put(run)
    book.put(replace(run, status=Starting(0), attempt=1))
    assert book.busy_in_pool("small") == 1
    book.rollback()
    assert book.busy_in_pool("small") == 0
    shell = Job(name="submit:command", body=ShellCommand("sleep 1000"))
    book.set(book.jobs_by_definition, 7, shell)
    book.put(run)
    book.put(replace(run, status=Starting(0), attempt=1))
    assert book.busy_in_pool("small") == 0
