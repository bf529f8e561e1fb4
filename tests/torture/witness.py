"""The witness: a file to which the jobs themselves append a line when they begin and when they end.

It owes nothing to the code under test. Each line is one `write` to a file
opened with O_APPEND, so the kernel alone gives the order of the lines. A job
that must never run twice at once also holds a lock of the kernel's (flock)
for as long as any process of its tree lives, and says `clash` if it is taken.
"""

from dataclasses import dataclass
from pathlib import Path

SCRIPT = """\
# job.sh LOCK NAP CODES [stubborn]: CODES are the exit codes of attempt 1, 2, ... ("s9": end by signal 9);
# the last one is for all that follow.
# The try that $JOBRUN_ATTEMPT names can be made twice, its fence cannot.
fence=${JOBRUN_NOTES##*/}
fence=${fence%.notes}
attempt=${fence#*.}
say() {
\tprintf '%s %s %s %s %s %s %s\\n' "$JOBRUN_RUN_ID" "$attempt" "$JOBRUN_JOB" \\
\t\t"${JOBRUN_SCHEDULED_AT:--}" "$1" "$$" "$2" >> '@WITNESS@'
}
if [ "$4" = stubborn ]; then trap '' TERM; fi
if [ "$1" != - ]; then
\texec 9>> '@LOCKS@'/"$1"
\tflock -n 9 || say clash -
fi
say start -
# Only from here on: a TERM before this line would else be an end without a start.
[ "$4" = stubborn ] || trap 'say end 143; exit 143' TERM
echo "begun $fence"
sleep "$2"
codes=$3
number=1
while [ "$number" -lt "$attempt" ] && [ "$codes" != "${codes#*,}" ]; do
\tcodes=${codes#*,}
\tnumber=$((number + 1))
done
code=${codes%%,*}
echo "over $fence with $code"
trap '' TERM
say end "$code"
case $code in
s*) kill -"${code#s}" "$$" ;;
*) exit "$code" ;;
esac
"""

# The same as a Python function, for jobs that are calls in a warm worker.
MODULE = """\
import fcntl, os, signal, sys, time
from jobrun.task import Stopped

def fence():
    # The try that $JOBRUN_ATTEMPT names can be made twice.
    return os.path.basename(os.environ["JOBRUN_NOTES"]).split(".")[:2]

def say(what, code):
    words = [*fence(), os.environ["JOBRUN_JOB"], os.environ.get("JOBRUN_SCHEDULED_AT", "-")]
    line = " ".join([*words, what, str(os.getpid()), code]) + "\\n"
    fd = os.open("@WITNESS@", os.O_WRONLY | os.O_APPEND)
    os.write(fd, line.encode())
    os.close(fd)

def nap(seconds, stubborn):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(max(0.0, until - time.monotonic()))
        except Stopped:
            if not stubborn:
                raise

def work(lock, seconds, codes, stubborn=""):
    name = ".".join(fence())
    fd = None
    try:
        if lock != "-":
            fd = os.open(os.path.join("@LOCKS@", lock), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("clash", "-")
        say("start", "-")
        print("begun", name)
        try:
            nap(float(seconds), bool(stubborn))
        except Stopped:
            print("over", name, "with 44")
            say("end", "44")
            sys.exit(44)
        listed = codes.split(",")
        code = listed[min(int(fence()[1]), len(listed)) - 1]
        print("over", name, "with", code)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("end", code)
        if code.startswith("s"):
            os.kill(os.getpid(), int(code[1:]))
        sys.exit(int(code))
    finally:
        if fd is not None:
            os.close(fd)
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `what` is start, end or clash; `slot` is the text of the slot, None for a run without one.

    `code` of an end: an exit code, or s9 for an end by signal 9.
    """

    number: int
    run: int
    attempt: int
    job: str
    slot: str | None
    what: str
    pid: int
    code: str

    @property
    def fence(self) -> tuple[int, int]:
        return self.run, self.attempt


class Witness:
    """The file, and the script that writes it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "witness"
        self.locks = directory / "locks"
        self.script = directory / "job.sh"
        self.locks.mkdir()
        self.path.touch()
        text = SCRIPT.replace("@WITNESS@", str(self.path)).replace("@LOCKS@", str(self.locks))
        self.script.write_text(text)
        module = MODULE.replace("@WITNESS@", str(self.path)).replace("@LOCKS@", str(self.locks))
        self.script.with_name("warm_job.py").write_text(module)

    def read(self) -> list[Line]:
        """All lines, in the kernel's order. A line that is not whole is an error of the harness."""
        return [parse(number, text) for number, text in enumerate(self.path.read_text().splitlines(), 1)]


def parse(number: int, text: str) -> Line:
    run, attempt, job, slot, what, pid, code = text.split(" ")
    assert what in ("start", "end", "clash"), text
    return Line(number, int(run), int(attempt), job, None if slot == "-" else slot, what, int(pid), code)
