"""`wait` at the moment between a run's end in memory and its end in the store."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from jobrun.daemon.answers import Answers
from jobrun.domain.run import Done, Outcome, ProcessIdentity, Run, Running, Trigger
from jobrun.store.views import RunRow
from jobrun.wire.message import Request

RUN = Run(
    id=7,
    job="quick",
    queue="default",
    definition_id=1,
    trigger=Trigger.MANUAL,
    status=Running(ProcessIdentity(1, 1, "boot"), 0),
    created_at=0,
    attempt=1,
)


def test_a_run_whose_end_is_being_written_is_waited_for() -> None:
    """It has left the book, and the store still says "running": the answer comes with the commit."""

    async def ask() -> dict[str, Any]:
        future: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        engine = SimpleNamespace(book=SimpleNamespace(runs={}), finished=lambda _run_id: future)
        history = SimpleNamespace(run=lambda _run_id: RunRow(RUN, 0))
        answers = Answers(engine, history, None, None)  # type: ignore[arg-type]
        asked = asyncio.ensure_future(answers.answer(Request("wait", {"runs": [7], "timeout": 20}), "root"))
        await asyncio.sleep(0)
        assert not asked.done()
        end = Done(Outcome.SUCCEEDED, None, 5, exit_code=0)
        future.set_result(replace(RUN, status=end))
        return await asked

    answer = asyncio.run(ask())
    assert not answer["timed_out"]
    assert [run["outcome"] for run in answer["runs"]] == ["succeeded"]
