"""`jobrun schema`: the JSON schema of the job file."""

from jobrun.cli.output import say_json

EXAMPLES = (
    ("jobrun schema > jobs.schema.json", "save it beside the job file …"),
    ("#:schema ./jobs.schema.json", "… and name it in the job file's first line, for the editor"),
)


def command() -> None:
    """Print the JSON schema of the job file, for editors.

    Editors with TOML support check and complete a job file whose first line names the schema.
    """
    from jobrun.conf.schema import json_schema

    say_json(json_schema())
