"""The pools of warm workers: which worker makes which call, and how many there are.

The rules: a pool has no more workers than its `max`, of whatever kinds; a call
goes to a worker of its own kind; a call that is known to be short may be sent
ahead to a busy worker, one that may be long never waits behind another. What
waits here is durable as an intent and has not begun, so it can always be given
back.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobrun.daemon.calls import Calls
from jobrun.daemon.crew import Crew, CrewSetting
from jobrun.daemon.durations import Durations
from jobrun.daemon.kinds import Kinds
from jobrun.daemon.policy import Policies
from jobrun.daemon.sizing import Sizing
from jobrun.daemon.worker import Call, Worker
from jobrun.domain.events import Effect, Forget, Recall
from jobrun.domain.instants import SECOND
from jobrun.domain.job import Job, Pool, PythonCall
from jobrun.domain.report import sentence_of
from jobrun.domain.retry import signal_name
from jobrun.domain.run import Cause, Exit, Run
from jobrun.proc.files import has_begun
from jobrun.proc.output import drop_paths
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.spool import revoke, whole
from jobrun.proc.workerspec import CallFiles, WorkerKind, call_entry, job_text

# So many workers of one kind may end before they have made a call; then their calls fail.
_MOST_STILLBORN = 3
# Calls thought to be short wait this long behind one another, in seconds, before they are taken back.
_BLOCKED = 0.1
# So many times as many short calls as may wait in workers wait here, durable: enough for what a disk takes.
_HERE = 3
_WAS_THERE = "its worker did not make it: its status file was there before it began"
_TAKES_LONG = "the call before it takes long"


class Pools:
    """Hands out calls to workers. Lives in the loop's thread."""

    def __init__(
        self,
        calls: Calls,
        setting: CrewSetting,
        policies: Policies,
        *,
        pool_of: Callable[[str], Pool],
        room_changed: Callable[[], None],
        host_trouble: Callable[[str], None],
        cpus: int,
        environ: Mapping[str, str],
    ) -> None:
        self._calls = calls
        self._policies = policies
        self._pool_of = pool_of
        self._room_changed = room_changed
        self._host_trouble = host_trouble
        self._state_dir = setting.places.state_dir
        self._spool = str(setting.places.attempts)
        self._store_id = setting.store_id
        self._environ = environ
        self._now = setting.now
        self._log = setting.log
        self._crew = Crew(
            setting,
            heard=self._hear,
            listened=self._listened,
            ended=self._worker_ended,
        )
        self._sizing = Sizing(
            self._crew, policies, pool_of=pool_of, cpus=cpus, environ=environ, log=setting.log
        )
        self._waiting: dict[str, deque[Call]] = {}
        self._rooms: dict[str, int] = {}
        self._kinds = Kinds(environ)
        self._hungry: set[str] = set()
        self._timed: set[tuple[str, str]] = set()
        self._stillborn: Counter[str] = Counter()
        self._durations = Durations()

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._crew)

    def start(self, run: Run, job: Job) -> None:
        """Have the run's current attempt made by a worker, from `hand_out` on. Raises SpawnRefused."""
        kind, number = self._kinds.of_run(run, job)
        fence = run.fence
        name = str(fence)
        files = CallFiles(name, f"{self._spool_of(kind)}/{name}", self._state_dir)
        # What is there before it began says nothing of it.
        drop_paths([files.status])
        self._calls.add(call := Call(run, job, kind, number, files, fence))
        self._waiting.setdefault(kind.pool, deque()).append(call)
        self._hungry.add(kind.pool)

    def hand_out(self) -> None:
        """Give what was started to workers, as far as there are any for it."""
        while self._hungry:
            self._feed(self._hungry.pop())

    def carry_out(self, effect: Effect) -> None:
        """Do what the engine decided about a call."""
        match effect:
            case Forget():
                self._calls.forget(effect.fence)
            case Recall():
                call = self._calls.get(effect.fence)
                if call is not None and call.begun is None:
                    self._take_back(call, "no worker had begun it")
            case _:
                self._calls.act(effect)

    def give_back_unbegun(self) -> None:
        """The daemon is stopping: what has not begun will not."""
        self._calls.tell_begun()
        waiting = [call for calls in self._waiting.values() for call in calls]
        sent = [call for worker in self._crew for call in worker.calls.values() if call.begun is None]
        for call in [*waiting, *sent]:
            self._take_back(call, "the daemon is stopping", Cause.SHUTDOWN)

    def recycle(self, why: str) -> None:
        """Have every worker replaced: at once if it is idle, else after its calls."""
        self._kinds.forget()
        self._stillborn.clear()
        self._policies.recycle()
        for worker in self._crew:
            self.retire(worker, why)

    def retire(self, worker: Worker, why: str) -> None:
        """Have one worker end once it has made the calls it has."""
        self._crew.retire(worker, why)

    def end(self, worker: Worker, why: str) -> None:
        """KILL a worker that makes no call and does not come to its end."""
        self._crew.end(worker, why)

    def room(self, pool: str) -> int:
        """How many runs may be with the pool's workers, those that have not begun included."""
        known = self._rooms.get(pool)
        return known if known is not None else self.most(self._pool_of(pool))

    def most(self, pool: Pool) -> int:
        """How many workers the pool may have."""
        return self._sizing.most(pool)

    def backlog(self, pool: str) -> int:
        """How many calls wait here for a worker."""
        return len(self._waiting.get(pool, ()))

    def kind_of(self, job: Job) -> WorkerKind | None:
        """The kind of worker that a job's calls need; None if there cannot be one."""
        return self._kinds.of_job(job)

    def prestart(self, job: Job) -> None:
        """Start a worker that can take this job's calls, if its pool has fewer than are to be there."""
        assert isinstance(job.body, PythonCall)
        self._sizing.prestart(job, self._pool_of(job.body.pool))

    def shrink(self, now: float) -> None:
        """End what is idle and not needed."""
        self._sizing.shrink(now)

    def unblock(self, now: float) -> None:
        """Take back what waits behind a call that takes longer than was expected: in its worker, and here
        if all workers of the pool are in such calls."""
        free: set[str] = set()
        for worker in self._crew:
            call = worker.current
            if call is None or call.begun is None or now - call.begun < _BLOCKED:
                free.add(worker.pool.name)
                continue
            self._durations.note(call.job.name, now - call.begun)
            self._make_room_known(worker.pool, call.job.name)
            for behind in [other for other in worker.calls.values() if other.begun is None]:
                self._take_back(behind, _TAKES_LONG)
        for name in self._waiting.keys() - free:
            if len(self._crew.of(name)) >= self.most(self._pool_of(name)):
                for call in list(self._waiting[name]):
                    self._take_back(call, _TAKES_LONG)

    async def close(self) -> None:
        """Have every idle worker end; one that makes a call is left to make it."""
        await asyncio.gather(self._crew.close(), self._policies.close())

    def _spool_of(self, kind: WorkerKind) -> str:
        owner = kind.who.owner
        return self._spool if owner is None else f"{self._spool}/u{owner}"

    def _feed(self, name: str) -> None:
        """Hand out what waits, as far as there are workers for it; start what is missing."""
        waiting = self._waiting.get(name)
        if not waiting:
            return
        pool, workers = self._pool_of(name), self._crew.of(name)
        full, unplaced = set[str](), list[Call]()
        kinds_there = {worker.kind.key for worker in workers if worker.is_ready}
        while waiting and full < kinds_there:
            call = waiting.popleft()
            worker = None if call.kind.key in full else self._choose(call, workers, pool)
            if worker is None:
                full.add(call.kind.key)
                unplaced.append(call)
            else:
                self._give(worker, call)
        refused = [call for worker in workers for call in worker.send_given()]
        waiting.extendleft(reversed([*refused, *unplaced]))
        if waiting:
            self._grow(pool, waiting)

    def _choose(self, call: Call, workers: list[Worker], pool: Pool) -> Worker | None:
        """The worker of the call's kind that will come to it first, if it may wait for that."""
        best: Worker | None = None
        for worker in workers:
            if worker.kind.key != call.kind.key or not worker.is_ready:
                continue
            count = len(worker.calls)
            if worker.runs_done + count >= pool.max_runs:
                continue
            if not count:
                return worker
            if best is not None and count >= len(best.calls):
                continue
            if self._durations.may_queue(call.job.name, worker.by_job, pool.prefetch):
                best = worker
        return best

    def _give(self, worker: Worker, call: Call) -> None:
        """Have the worker make it."""
        try:
            if call.number not in worker.told:
                self._tell_job(worker, call)
            store_id, environ = self._store_id, self._environ
            entry = call_entry(
                call.job, call.run, call.files, call.kind, store_id=store_id, base_environ=environ
            )
        except SpawnRefused as refusal:
            self._refused(call, refusal)
        else:
            worker.give(call, entry)

    def _tell_job(self, worker: Worker, call: Call) -> None:
        """Tell a worker what all calls of this definition share. Raises SpawnRefused."""
        text = job_text(
            call.number,
            call.job,
            call.kind,
            store_id=self._store_id,
            spool=self._spool_of(call.kind),
            worker=worker.number,
        )
        if worker.send(text):
            worker.told.add(call.number)

    def _refused(self, call: Call, refusal: SpawnRefused) -> None:
        if refusal.is_host_trouble:
            self._calls.give_back(call, f"the host could not start it ({refusal.sentence})")
            self._host_trouble(refusal.sentence)
        else:
            self._calls.fail(call, refusal.sentence)

    def _grow(self, pool: Pool, waiting: deque[Call]) -> None:
        """Start workers for what waits. If one cannot start, the calls that need it do not wait for it."""
        found = self._sizing.grow(pool, (call.kind for call in waiting))
        if found is None:
            return
        kind, refusal = found
        for call in [call for call in waiting if call.kind.key == kind.key]:
            waiting.remove(call)
            self._refused(call, refusal)

    def _hear(self, worker: Worker, message: Mapping[str, Any]) -> None:
        operation = message.get("op")
        if operation == "ready":
            worker.note_ready(message)
            self._sizing.starts_work(worker.pool.name)
            return
        if operation == "failed":
            self._not_started(worker, message)
            return
        call = worker.calls.get(name := str(message.get("fence")))
        if call is None:
            if operation in ("dropped", "refused"):
                worker.forget_revoked(name)
            return
        match operation:
            case "begun":
                at, is_short = whole(message.get("at")), self._durations.is_short(call.job.name)
                self._calls.begun(call, at, is_short=is_short)
            case "ended":
                self._call_ended(worker, call, message)
            case "stale":
                self._send_elsewhere(worker, call)
            case "dropped":
                self._calls.fail(call, _WAS_THERE)
            case "refused":
                number, sentence = whole(message.get("errno"), 5), sentence_of(message.get("sentence"))
                self._refused(call, SpawnRefused(number, sentence))

    def _call_ended(self, worker: Worker, call: Call, message: Mapping[str, Any]) -> None:
        worker.runs_done += 1
        self._stillborn.pop(worker.kind.key, None)
        self._durations.note(call.job.name, (whole(message.get("at"), 0) - call.begun_at) / SECOND)
        self._calls.ended(call, message)
        self._timed.add((worker.pool.name, call.job.name))
        if message.get("retire"):
            worker.is_retiring = True
        elif worker.runs_done >= worker.pool.max_runs:
            self.retire(worker, f"it has made {worker.runs_done} calls")

    def _listened(self, worker: Worker) -> None:
        while self._timed:
            pool, job = self._timed.pop()
            self._make_room_known(self._pool_of(pool), job)
        self._feed(worker.pool.name)

    def _make_room_known(self, pool: Pool, job: str) -> None:
        """One run a worker. Where calls are short, as many as may wait there, and `_HERE` times as many
        wait here, so that no worker has to wait until more of them are durable."""
        room = self.most(pool) * (1 + (1 + _HERE) * self._durations.ahead(job, pool.prefetch))
        before = self.room(pool.name)
        self._rooms[pool.name] = room
        if room > before:
            self._room_changed()

    def _send_elsewhere(self, worker: Worker, call: Call) -> None:
        """The worker will not make it (its code has changed, or it ends); nothing of it ran."""
        worker.take_off(call)
        worker.is_retiring = True
        self._waiting.setdefault(call.kind.pool, deque()).appendleft(call)

    def _take_back(self, call: Call, why: str, cause: Cause = Cause.SPAWN) -> None:
        """Give a call back that has not begun; if its worker was faster, its word is on the way."""
        if call.worker is None:
            self._waiting[call.kind.pool].remove(call)
            self._calls.give_back(call, why, cause)
            return
        worker = call.worker
        try:
            if revoke(call.files.status):
                # Until the worker has met it: the message is still on its way, and must find the claim taken.
                worker.revoked[call.files.name] = call.files.status
                self._calls.give_back(call, why, cause, is_met=False)
        except SpawnRefused:
            # The disk is full: the call stays with its worker, and begins when its turn comes.
            return

    def _not_started(self, worker: Worker, message: Mapping[str, Any]) -> None:
        words = error if isinstance(error := message.get("error"), dict) else {}
        why = sentence_of(f"{words.get('type')}: {words.get('message')}")
        sentence = f"a worker of pool {worker.pool.name} could not start: {why}"
        told = {"error": sentence, "trace": words.get("traceback")}
        self._log("worker.failed", level="error", pool=worker.pool.name, **told)
        worker.is_retiring = worker.has_failed = True
        self._sizing.starts_fail(worker.pool.name)
        self._fail_waiting(worker, sentence)

    def _fail_waiting(self, worker: Worker, sentence: str) -> None:
        """Nobody can make the calls that wait for such a worker, if there is no other one."""
        key, waiting = worker.kind.key, self._waiting.get(worker.pool.name)
        others = [other for other in self._crew.of(worker.pool.name) if other is not worker]
        if not waiting or any(other.kind.key == key and other.is_ready for other in others):
            return
        for call in [call for call in waiting if call.kind.key == key]:
            waiting.remove(call)
            self._calls.fail(call, sentence)

    def _worker_ended(self, worker: Worker, exit: Exit) -> None:
        """The call it made ends with it, the others go to somebody else."""
        oom = worker.child.was_oom()
        has_heirs = False
        for call in list(worker.calls.values()):
            if call.begun is not None or has_begun(call.files.status):
                self._calls.died(call, worker, exit, oom=oom)
                has_heirs = True
                worker.runs_done += 1
            else:
                drop_paths([call.files.status])
                self._send_elsewhere(worker, call)
        if not worker.runs_done and not worker.is_retiring:
            self._note_stillborn(worker, exit)
        self._crew.part_with(worker, exit, has_heirs=has_heirs)
        self._listened(worker)

    def _note_stillborn(self, worker: Worker, exit: Exit) -> None:
        """It ended without having made a call: after a few of them, nobody waits for the next one."""
        self._stillborn[worker.kind.key] += 1
        self._sizing.starts_fail(worker.pool.name)
        if worker.python is not None and self._stillborn[worker.kind.key] < _MOST_STILLBORN:
            return
        how = f"exit code {exit.exit_code}" if exit.signal is None else signal_name(exit.signal)
        said = f": {last}" if (last := worker.last_words()) else ""
        self._fail_waiting(worker, f"a worker of pool {worker.pool.name} ended at once ({how}){said}")
