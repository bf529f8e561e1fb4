"""The parts that make Python calls, wired together: calls, pools, and the watch over the workers."""

import asyncio
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobrun.conf.paths import Places
from jobrun.daemon.calls import Calls
from jobrun.daemon.crew import CrewSetting
from jobrun.daemon.engine import Engine
from jobrun.daemon.inbox import Happened, Nudge
from jobrun.daemon.limitwatch import LimitWatch
from jobrun.daemon.policy import Policies
from jobrun.daemon.pools import Pools
from jobrun.daemon.poolwatch import PoolWatch
from jobrun.daemon.strays import Strays
from jobrun.domain.instants import Instant
from jobrun.proc.cgroup import Delegated


@dataclass(frozen=True, slots=True)
class Workforce:
    """What the supervisor and the service need of it."""

    limits: LimitWatch
    calls: Calls
    pools: Pools
    watch: PoolWatch

    def describe(self) -> list[dict[str, Any]]:
        """The warm workers there are, in the words of the control socket."""
        now = asyncio.get_running_loop().time()
        return [worker.describe(now) for worker in self.pools]

    async def close(self) -> None:
        """End the idle workers, and look at the others no more."""
        self.watch.stop()
        await self.pools.close()


def build_workforce(
    engine: Engine,
    *,
    post: Callable[[Happened | Nudge], None],
    host_trouble: Callable[[str], None],
    places: Places,
    store_id: str,
    environ: Mapping[str, str],
    cgroups: Delegated | None,
    now: Callable[[], Instant],
    draw: Callable[[], float],
    log: Callable[..., None],
) -> Workforce:
    """Wire it to the engine, whose plan says what the pools are."""
    setting = CrewSetting(places, store_id, cgroups, itertools.count(now() // 1000), now, log)
    limits = LimitWatch(lambda fence, event: post(Happened(fence.run_id, event, fence)), now)
    calls = Calls(post=post, store_id=store_id, places=places, limits=limits, now=now, draw=draw)
    policies = Policies(setting)
    pools = Pools(
        calls,
        setting,
        policies,
        pool_of=lambda name: engine.book.plan.pool(name),  # noqa: PLW0108  a reload makes another plan
        room_changed=lambda: engine.post(Nudge()),
        host_trouble=host_trouble,
        cpus=os.cpu_count() or 1,
        environ=environ,
    )
    engine.book.room_in = pools.room
    watch = PoolWatch(
        pools, calls, policies, post=post, book=engine.book, strays=Strays(store_id, log), now=now, log=log
    )
    calls.on_begun = watch.look_soon
    return Workforce(limits, calls, pools, watch)
