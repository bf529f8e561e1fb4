"""What each request of the control socket means: one method an operation.

Requests are checked here, against the plan and the store, and become messages
to the engine; nothing here changes a run.
"""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from jobrun import __version__
from jobrun.daemon.book import Book
from jobrun.daemon.engine import Engine
from jobrun.daemon.inbox import Asked, PauseAsked, RetryAsked, RunAsked, StopAsked
from jobrun.daemon.reloading import Reloader
from jobrun.domain.definition import decode
from jobrun.domain.errors import Conflict, NotFound, UsageError
from jobrun.domain.instants import Instant, is_tellable, to_iso
from jobrun.domain.job import Job, OnStop
from jobrun.domain.report import DEEPEST, MOST_DIGITS, canonical
from jobrun.domain.run import Done, Outcome, Run, Trigger
from jobrun.proc.checkpoints import LATEST
from jobrun.store.reader import History
from jobrun.store.views import RunFilter
from jobrun.wire.message import Request

MOST_RETRIED = 10_000
# One transaction, or a question for each run, during which nothing else starts: about half a second.
MOST_AT_ONCE = 20_000
_FAILED = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)


class Host(Protocol):
    """What the daemon as a whole can be asked for."""

    started_at: Instant
    pid: int
    stopping: bool

    def stop(self, mode: OnStop | None) -> None:
        """Begin to stop."""
        ...

    def spawn_trouble(self) -> str:
        """Why no process can be started just now, or an empty text."""
        ...

    def workers(self) -> list[dict[str, Any]]:
        """The warm workers there are, in the words of the control socket."""
        ...


class Answers:
    """Answers requests."""

    def __init__(self, engine: Engine, history: History, reloader: Reloader, host: Host) -> None:
        self._engine = engine
        self._history = history
        self._reloader = reloader
        self._host = host
        self._operations: dict[str, Callable[[Mapping[str, Any], str], Awaitable[dict[str, Any]]]] = {
            "ping": self._ping,
            "status": self._ping,
            "run": self._run,
            "submit": self._submit,
            "cancel": self._cancel,
            "retry": self._retry,
            "pause": self._pause,
            "resume": self._resume,
            "reload": self._reload,
            "stop": self._stop,
            "wait": self._wait,
            "workers": self._workers,
        }

    async def answer(self, request: Request, by: str) -> dict[str, Any]:
        """Answer one request. Raises JobrunError for a refusal."""
        operation = self._operations.get(request.op)
        if operation is None:
            raise UsageError(
                f'The daemon does not know the operation "{request.op}".',
                "The command and the daemon may be of different releases.",
            )
        return await operation(request.args, by)

    @property
    def _book(self) -> Book:
        return self._engine.book

    async def _ping(self, _args: Mapping[str, Any], _by: str) -> dict[str, Any]:
        trouble = self._engine.trouble
        states: dict[str, int] = {}
        for run in self._book.runs.values():
            states[run.state] = states.get(run.state, 0) + 1
        return {
            "version": __version__,
            "pid": self._host.pid,
            "started_at": to_iso(self._host.started_at),
            "store": trouble.sentence if trouble else "ok",
            "spawn": self._host.spawn_trouble() or "ok",
            "running": self._book.at_work,
            "states": states,
            "jobs": len(self._book.plan.jobs),
            "stopping": self._host.stopping,
        }

    async def _run(self, args: Mapping[str, Any], by: str) -> dict[str, Any]:
        job = self._job(_text(args, "job"))
        if args.get("env"):
            job = _with_env(job, args["env"])
        return await self._ask_for_run(job, Trigger.MANUAL, args, by)

    async def _submit(self, args: Mapping[str, Any], by: str) -> dict[str, Any]:
        table = args.get("table")
        if not isinstance(table, dict):
            raise UsageError('A submission needs a "table" with the job\'s keys.')
        # Two submissions of one program are two wishes; only a job's slots can overlap.
        name = f"submit:{args.get('name') or 'command'}"
        job = self._reloader.job_file.adhoc(name, {"overlap": "allow", **table})
        return await self._ask_for_run(job, Trigger.SUBMIT, args, by)

    async def _ask_for_run(
        self, job: Job, trigger: Trigger, args: Mapping[str, Any], by: str
    ) -> dict[str, Any]:
        if self._host.stopping:
            raise Conflict("The daemon is stopping; it takes no new runs.")
        at, priority = args.get("at"), args.get("priority") or 0
        if at is not None and not isinstance(at, int):
            raise UsageError('"at" must be an instant in microseconds.')
        if at is not None and not is_tellable(at):
            raise UsageError('"at" must lie in the years 2 to 9998.')
        if not isinstance(priority, int):
            raise UsageError('"priority" must be a whole number.')
        resume_from = args.get("resume_from")
        if resume_from is not None and not isinstance(resume_from, str):
            raise UsageError('"resume_from" must be the path of a checkpoint, or "latest".')
        if resume_from == LATEST and job.checkpoint is None:
            raise Conflict(
                f"{job.name} keeps no checkpoints, so there is no latest one.",
                "Write checkpoint = true in its table, or name a file.",
            )
        data, bulk = _data(args.get("data")), _bulk(args.get("bulk"))
        return await self._ask(
            lambda reply: RunAsked(
                job,
                trigger.value,
                by,
                reply,
                at=at,
                priority=priority,
                data=data,
                resume_from=resume_from,
                bulk=bulk,
            )
        )

    async def _workers(self, _args: Mapping[str, Any], _by: str) -> dict[str, Any]:
        return {"workers": self._host.workers()}

    async def _cancel(self, args: Mapping[str, Any], by: str) -> dict[str, Any]:
        if "job" in args:
            name = _text(args, "job")
            live = tuple(run.id for run in self._book.live_of(name))
            if not live and not name.startswith("submit:"):
                self._job(name)
            runs = live
        else:
            runs = self._known_runs(args)
        return await self._ask(lambda reply: StopAsked(runs, by, reply))

    async def _retry(self, args: Mapping[str, Any], by: str) -> dict[str, Any]:
        if self._host.stopping:
            raise Conflict("The daemon is stopping; it takes no new runs.")
        if args.get("failed"):
            since = args.get("since")
            old = self._failed_runs(since if isinstance(since, int) else None)
        else:
            old = [self._finished_run(run_id) for run_id in self._known_runs(args)]
        runs = tuple((run, self._job_for_retry(run)) for run in old)
        return await self._ask(lambda reply: RetryAsked(runs, by, reply))

    def _failed_runs(self, since: Instant | None) -> list[Run]:
        """The failed runs that were not tried again since, oldest first."""
        wanted = RunFilter(outcomes=_FAILED, since=since)
        failed = [row.run for row in self._history.runs(wanted, limit=MOST_RETRIED)]
        again = self._history.retried(run.id for run in failed)
        return sorted((run for run in failed if run.id not in again), key=lambda run: run.id)

    def _finished_run(self, run_id: int) -> Run:
        row = self._history.run(run_id)
        if row is None:
            raise NotFound(f"There is no run {run_id}.")
        run = row.run
        if run_id in self._book.runs or not isinstance(run.status, Done):
            raise Conflict(
                f"Run {run_id} is not finished ({run.state}).", f"Cancel it first: jobrun cancel {run_id}"
            )
        return run

    def _job_for_retry(self, run: Run) -> Job:
        """The job as it is defined now; as it was then, if it left the job file."""
        now = self._book.plan.jobs.get(run.job)
        if now is not None:
            return now
        definition = self._history.definition(run.definition_id)
        if definition is None:
            raise NotFound(f"The definition of run {run.id} is not in the store any more.")
        return decode(definition.body)

    async def _pause(self, args: Mapping[str, Any], by: str) -> dict[str, Any]:
        return await self._set_pause(args, by, on=True)

    async def _resume(self, args: Mapping[str, Any], by: str) -> dict[str, Any]:
        return await self._set_pause(args, by, on=False)

    async def _set_pause(self, args: Mapping[str, Any], by: str, *, on: bool) -> dict[str, Any]:
        kind, name = _text(args, "kind"), _text(args, "name")
        if kind not in ("job", "queue"):
            raise UsageError(f'"{kind}" cannot be paused; a job or a queue can.')
        if on or (kind, name) not in self._book.pauses:
            if kind == "job":
                self._job(name)
            else:
                self._queue(name)
        reason = str(args.get("reason") or "")
        return await self._ask(lambda reply: PauseAsked(kind, name, on, by, reply, reason))

    async def _reload(self, args: Mapping[str, Any], _by: str) -> dict[str, Any]:
        return await (self._reloader.preview() if args.get("dry_run") else self._reloader.reload())

    async def _stop(self, args: Mapping[str, Any], _by: str) -> dict[str, Any]:
        mode = args.get("mode")
        try:
            wanted = OnStop(mode) if mode is not None else None
        except ValueError:
            raise UsageError(f'"{mode}" is not a way to stop; drain, leave and kill are.') from None
        running = self._book.at_work
        self._host.stop(wanted)
        return {"stopping": True, "running": running, "pid": self._host.pid}

    async def _wait(self, args: Mapping[str, Any], _by: str) -> dict[str, Any]:
        runs = self._known_runs(args)
        done: dict[int, Run] = {}
        waited: dict[int, asyncio.Future[Run]] = {}
        for run_id in runs:
            row = self._history.run(run_id)
            if row is not None and isinstance(row.run.status, Done):
                done[run_id] = row.run
            else:
                # Also a run that has left the book while its end is on its way to the store: its
                # future is fulfilled once the end is durable.
                waited[run_id] = self._engine.finished(run_id)
        timed_out = False
        if waited:
            _, pending = await asyncio.wait(waited.values(), timeout=args.get("timeout"))
            timed_out = bool(pending)
            for future in pending:
                # The next look at this run's waiters drops it.
                future.cancel()
        done |= {run_id: future.result() for run_id, future in waited.items() if not future.cancelled()}
        ended = [done[run_id] for run_id in runs if run_id in done]
        return {"runs": [_ended(run) for run in ended], "timed_out": timed_out}

    def _known_runs(self, args: Mapping[str, Any]) -> tuple[int, ...]:
        runs = args.get("runs")
        if not isinstance(runs, list) or not all(isinstance(run_id, int) for run_id in runs):
            raise UsageError('"runs" must be a list of run ids.')
        if len(runs) > MOST_AT_ONCE:
            raise UsageError(
                f"{len(runs)} runs are more than the {MOST_AT_ONCE} that can be named at once.",
                "Divide them over several requests.",
            )
        for run_id in runs:
            if run_id not in self._book.runs and self._history.run(run_id) is None:
                raise NotFound(f"There is no run {run_id}.", "See them with: jobrun history")
        return tuple(dict.fromkeys(runs))

    def _job(self, name: str) -> Job:
        job = self._book.plan.jobs.get(name)
        if job is None:
            raise NotFound(f'There is no job "{name}".', _did_you_mean(name, self._book.plan.jobs))
        return job

    def _queue(self, name: str) -> None:
        plan = self._book.plan
        known = {"default", *plan.queues, *(job.queue for job in plan.jobs.values())}
        if name not in known:
            raise NotFound(f'There is no queue "{name}".', _did_you_mean(name, known))

    async def _ask(self, message: Callable[["asyncio.Future[dict[str, Any]]"], Asked]) -> dict[str, Any]:
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._engine.post(message(reply))
        return await reply


def _ended(run: Run) -> dict[str, Any]:
    status = run.status
    assert isinstance(status, Done)
    return {
        "run": run.id,
        "job": run.job,
        "outcome": status.outcome.value,
        "cause": status.cause.value if status.cause else None,
        "exit_code": status.exit_code,
        "detail": status.detail,
    }


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(f'The request needs "{name}".')
    return value


def _data(value: object) -> str | None:
    """A run's data as it is stored: JSON with its keys in order."""
    if value is None:
        return None
    text = canonical(value)
    if text is None:
        raise UsageError(
            "The data is not JSON that every reader can read.",
            f"It has at most {DEEPEST} levels, its numbers are finite, and whole ones have "
            f"at most {MOST_DIGITS} digits.",
        )
    return text


def _bulk(value: object) -> tuple[str | None, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise UsageError('"bulk" must be a list with the data of each run.')
    if len(value) > MOST_AT_ONCE:
        raise UsageError(
            f"{len(value)} runs are more than the {MOST_AT_ONCE} that can be asked for at once.",
            "Divide them over several requests.",
        )
    return tuple(map(_data, value))


def _with_env(job: Job, env: object) -> Job:
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise UsageError('"env" must map names to texts.')
    return replace(job, env={**job.env, **env})


def _did_you_mean(name: str, known: Mapping[str, object] | set[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'Did you mean "{near[0]}"?' if near else "See what there is with: jobrun list"
