"""What a delegated cgroup v2 is used for: limits held by the kernel, kill, accounting.

Memory and processes are the kernel's only where systemd puts the daemon into a
subgroup (`DelegateSubgroup=`, systemd 254); on an older one the claims say
what measuring makes of the same jobs.
"""

from boot.guest import GROUP, Guest

HOG = "/usr/bin/python3 -c 'x = []\nwhile True: x.append(bytearray(1 << 20))'"
SHARED = (
    "/usr/bin/python3 -c 'import os, time\nx = bytearray(60 << 20)\n"
    "for i in range(9): os.fork() or (time.sleep(8), os._exit(0))\ntime.sleep(9)'"
)
JOBS = f'''
[jobs.hog]
command = """{HOG}"""
limits.memory = "64M"
[jobs.hog_later]
command = """until [ -e /root/go ]; do sleep 0.2; done; {HOG}"""
limits.memory = "64M"
[jobs.shared]
command = """{SHARED}"""
limits.memory = "128M"
[jobs.forks]
command = "for i in 1 2 3 4 5 6 7 8 9; do /bin/sleep 3 & done; wait"
limits.processes = 5
[jobs.enough]
command = "for i in 1 2 3 4; do /bin/sleep 3 & done; wait; echo went on"
limits.processes = 5
[jobs.escape]
command = """(env -i setsid sh -c 'echo $$ > /root/escapee; exec sleep 100000' &)
until [ -s /root/escapee ]; do sleep 0.1; done; until [ -e /root/go ]; do sleep 0.2; done; exit 4"""
grace = "1s"
[jobs.stays]
command = "exec sleep 100000"
[jobs.burn]
command = """(setsid sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; touch /root/go' &)
until [ -e /root/go ]; do sleep 0.1; done"""
[jobs.warm]
python = "time:sleep"
args = [20]
'''


def is_kernels(guest: Guest) -> bool:
    """Whether this systemd can put the daemon into a subgroup."""
    return int(guest.do("systemctl --version").split()[1]) >= 254


def escapee(guest: Guest) -> str:
    """The pid of what `escape` has let loose."""

    def look() -> str:
        return guest.run("cat /root/escapee").out.strip()

    return guest.until(look, "the escapee")


def doctor_names_the_group_and_who_holds_limits(guest: Guest) -> str:
    guest.fresh(JOBS)
    check = next(check for check in guest.json("doctor")["checks"] if check["check"] == "cgroup")
    assert check["state"] == "ok" and GROUP in check["what"], check
    word = "limits of memory and pids held by the kernel" if is_kernels(guest) else "limits held by measuring"
    assert word in check["what"], check
    return str(check["what"])


def each_attempt_runs_in_a_group_with_its_limits(guest: Guest) -> str:
    guest.fresh(JOBS)
    run = guest.start("hog_later")
    group = f"{GROUP}/jobrun-{run}.1"
    pid = str(guest.show(run)["pid"])
    assert pid in guest.do(f"cat {group}/cgroup.procs").split()
    said = "no controllers (systemd older than 254)"
    if is_kernels(guest):
        said = f"memory.max {guest.do(f'cat {group}/memory.max').strip()}"
        assert said == f"memory.max {64 << 20}"
    guest.do("touch /root/go")
    guest.done(run)
    guest.until(lambda: guest.run(f"test -e {group}").code, "the group to be removed")
    return f"pid {pid} in {group}, {said}; gone after its end"


def memory_is_held(guest: Guest) -> str:
    guest.fresh(JOBS)
    end = guest.done(guest.start("hog"))
    if not is_kernels(guest):
        # RLIMIT_AS: the job's own allocation fails.
        assert (end["outcome"], end["exit_code"]) == ("failed", 1), end
        return f"by RLIMIT_AS: {end['detail']}"
    attempt = end["attempts"][0]
    assert (end["outcome"], end["cause"]) == ("failed", "oom"), end
    assert attempt["max_rss"] is not None and (60 << 20) < attempt["max_rss"] <= (64 << 20), attempt
    assert "oom" in guest.do("dmesg | tail -30").lower()
    assert guest.of_unit("ActiveState") == "active"
    return f"cause oom ({end['detail']}), peak {attempt['max_rss'] >> 20} MiB, the daemon lives"


def memory_shared_by_a_tree_counts_once(guest: Guest) -> str:
    """Ten processes over the same 60 MiB, limit 128 MiB: the kernel counts 60, adding up would count 600."""
    if not is_kernels(guest):
        return "not with an older systemd: there resident sizes are added up, see docs/guarantees.md"
    guest.fresh(JOBS)
    end = guest.done(guest.start("shared"))
    assert end["outcome"] == "succeeded", end
    return f"succeeded, peak {end['attempts'][0]['max_rss'] >> 20} MiB"


def memory_that_ran_out_while_no_daemon_lived_is_known(guest: Guest) -> str:
    if not is_kernels(guest):
        return "not with an older systemd: no memory controller"
    guest.fresh(JOBS)
    # Were nothing else left in the unit, systemd would remove its groups, and the kernel's word with them.
    guest.start("stays")
    run = guest.start("hog_later")
    guest.do("systemctl stop jobrun")
    guest.do(f"touch /root/go; while kill -0 {guest.show(run)['pid']} 2>/dev/null; do sleep 0.1; done")
    guest.do("systemctl start jobrun")
    end = guest.done(run)
    assert (end["outcome"], end["cause"]) == ("failed", "oom"), end
    return f"{end['outcome']}, cause {end['cause']}, peak {end['attempts'][0]['max_rss'] >> 20} MiB, not lost"


def processes_are_held(guest: Guest) -> str:
    guest.fresh(JOBS)
    enough = guest.done(guest.start("enough"))
    assert enough["outcome"] == "succeeded", enough
    end = guest.done(guest.start("forks"))
    assert end["outcome"] == "failed", end
    if not is_kernels(guest):
        assert end["cause"] == "processes", end
        return f"4 of 5 pass; 9: {end['detail']}"
    said = guest.do(f"jobrun logs {end['run']}")
    assert end["cause"] == "exit_code" and "fork" in said, (end, said)
    return f"4 of 5 pass; 9: the kernel refuses the fork ({said.strip()!r})"


def a_stop_reaches_what_left_everything_but_its_group(guest: Guest) -> str:
    guest.fresh(JOBS)
    run = guest.start("escape")
    pid = escapee(guest)
    guest.do(f"jobrun cancel {run}")
    end = guest.done(run)
    assert end["outcome"] == "cancelled", end
    assert guest.run(f"kill -0 {pid}").code != 0, "the escapee lives"
    return f"setsid, double fork, empty environment: pid {pid} is gone"


def so_does_a_daemon_that_was_away_at_the_end(guest: Guest) -> str:
    guest.fresh(JOBS)
    run = guest.start("escape")
    pid = escapee(guest)
    guest.do(f"kill -9 {guest.of_unit('MainPID')}; touch /root/go")
    end = guest.done(run)
    assert (end["exit_code"], end["attempts"][0]["left_behind"]) == (4, 1), end
    assert guest.run(f"kill -0 {pid}").code != 0, "the escapee lives"
    assert guest.run(f"ls -d {GROUP}/jobrun-*").code != 0, "a group is left"
    return f"exit code 4, pid {pid} gone, no group left"


def the_whole_tree_is_accounted_for(guest: Guest) -> str:
    """CPU time of a grandchild that nobody waited for."""
    guest.fresh(JOBS)
    attempt = guest.done(guest.start("burn"))["attempts"][0]
    assert attempt["user_time"] > 0.2, attempt
    return f"user {attempt['user_time']:.2f} s, peak {attempt['max_rss']}"


def a_warm_worker_has_a_group_and_outlives_the_daemon(guest: Guest) -> str:
    """Its group is the worker's, not the run's; the daemon that comes next removes it with the call's end."""
    guest.fresh(JOBS)
    run = guest.start("warm")
    pid = guest.show(run)["pid"]
    group = guest.do(f"cat /proc/{pid}/cgroup").strip().rpartition("/")[2]
    assert group.startswith("jobrun-0."), group
    guest.do(f"kill -9 {guest.of_unit('MainPID')}")
    end = guest.done(run)
    assert (end["outcome"], len(end["attempts"])) == ("succeeded", 1), end
    guest.until(lambda: guest.run(f"ls -d {GROUP}/jobrun-*").code, "the groups to be removed")
    return f"pid {pid} in {group}, adopted, succeeded, no group left"


CLAIMS = (
    doctor_names_the_group_and_who_holds_limits,
    each_attempt_runs_in_a_group_with_its_limits,
    memory_is_held,
    memory_shared_by_a_tree_counts_once,
    memory_that_ran_out_while_no_daemon_lived_is_known,
    processes_are_held,
    a_stop_reaches_what_left_everything_but_its_group,
    so_does_a_daemon_that_was_away_at_the_end,
    the_whole_tree_is_accounted_for,
    a_warm_worker_has_a_group_and_outlives_the_daemon,
)
