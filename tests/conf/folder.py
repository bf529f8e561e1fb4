"""A folder with a job file, written from text."""

from pathlib import Path
from textwrap import dedent

from jobrun.conf.read import JobFile, Problem, check_job_file

ZONE = "Europe/Berlin"


class Folder:
    """Writes `jobs.toml` and `jobs.d/*` below one directory and reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "jobs.toml"
        self.jobs_d = path / "jobs.d"

    def write(self, text: str) -> "Folder":
        self.config.write_text(dedent(text), "utf-8")
        return self

    def add(self, name: str, text: str) -> Path:
        self.jobs_d.mkdir(exist_ok=True)
        path = self.jobs_d / name
        path.write_text(dedent(text), "utf-8")
        return path

    def check(self) -> tuple[JobFile | None, list[Problem]]:
        return check_job_file(self.config, host_timezone=ZONE)

    def file(self) -> JobFile:
        job_file, problems = self.check()
        assert problems == []
        assert job_file is not None
        return job_file

    def problems(self) -> list[str]:
        """The problems as text, paths shortened to names below the folder."""
        job_file, problems = self.check()
        assert (job_file is None) == bool(problems)
        return [str(problem).replace(f"{self.path}/", "") for problem in problems]
