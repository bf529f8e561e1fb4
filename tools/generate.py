#!/usr/bin/env python3
"""Write every generated file anew, or with `--check` say which are stale.

Sources: the command tree (what `--help` prints), the job file's model, and the
golden JSON of the tests. The results are checked in; a test runs `--check`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jobrun.cli.completions import script  # noqa: E402
from tools.pages import commands_page, job_file_page, json_page, man_daemon, man_job_file, man_jobrun  # noqa: E402


def generated() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    import json

    from jobrun.conf.schema import json_schema

    return {
        "man/jobrun.1": man_jobrun.page(),
        "man/jobrun-daemon.8": man_daemon.page(),
        "man/jobs.toml.5": man_job_file.page(),
        "completions/jobrun.bash": script("bash"),
        "completions/_jobrun": script("zsh"),
        "completions/jobrun.fish": script("fish"),
        "docs/cli.md": commands_page.page(),
        "docs/job-file.md": job_file_page.page(),
        "docs/json.md": json_page.page(ROOT / "tests" / "cli" / "golden"),
        "docs/jobs.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def main() -> int:
    """Write the files, or check them."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in generated().items():
        path = ROOT / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"wrote {name}")
    if check and stale:
        print(f"stale: {', '.join(stale)}; run `make generate`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
