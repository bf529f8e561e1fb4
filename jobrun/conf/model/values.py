"""The value types of the job file: a check from `checks` and its part of the JSON schema, in one name."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from jobrun.conf.model.calls import check_args, check_data, check_function, check_kwargs, check_target
from jobrun.conf.model.checks import (
    NAME,
    VARIABLE,
    check_command,
    check_concurrency,
    check_filled,
    check_flag,
    check_jitter,
    check_moment,
    check_name,
    check_power,
    check_signal,
    check_text,
    check_umask,
    check_variable,
    choice,
    size,
    span,
    texts,
    whole,
)
from jobrun.conf.model.terms import check_conditions, check_cron_text, check_zone
from jobrun.domain.job import Backoff, CatchUp, Isolation, OnLost, OnStop, OutputMode, Overlap

_DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "string",
            "pattern": r"^\s*([0-9]+(\.[0-9]+)?\s*(us|ms|s|m|h|d|w)\s*)+$|^\s*[0-9]+(\.[0-9]+)?\s*$",
        },
        {"type": "number", "minimum": 0},
    ],
    "description": 'A duration: "90s", "1h30m", "7d", or a number of seconds.',
}
_SIZE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*[KMGTkmgt]?([iI]?[bB])?\s*$"},
        {"type": "integer", "minimum": 0},
    ],
    "description": 'A size: "512M", "1G", or a number of bytes.',
}
_MOMENT_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time"}
_TEXTS_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
}
_JSON_TEXT: dict[str, Any] = {"type": "string"}
_FILLED_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}


def _words(options: type[StrEnum]) -> WithJsonSchema:
    return WithJsonSchema({"enum": [option.value for option in options]})


Text = Annotated[str, PlainValidator(check_text), WithJsonSchema(_JSON_TEXT)]
Filled = Annotated[str, PlainValidator(check_filled), WithJsonSchema(_FILLED_TEXT)]
Flag = Annotated[bool, PlainValidator(check_flag), WithJsonSchema({"type": "boolean"})]
Name = Annotated[
    str, PlainValidator(check_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"})
]
Variable = Annotated[
    str,
    PlainValidator(check_variable),
    WithJsonSchema({"type": "string", "pattern": f"^{VARIABLE.pattern}$"}),
]
Span = Annotated[int, PlainValidator(span()), WithJsonSchema(_DURATION_SCHEMA)]
RealSpan = Annotated[int, PlainValidator(span(1_000)), WithJsonSchema(_DURATION_SCHEMA)]
Period = Annotated[int, PlainValidator(span(100_000)), WithJsonSchema(_DURATION_SCHEMA)]
Seconds = Annotated[int, PlainValidator(span(1_000_000)), WithJsonSchema(_DURATION_SCHEMA)]
LogSize = Annotated[int, PlainValidator(size(4 << 10)), WithJsonSchema(_SIZE_SCHEMA)]
MemorySize = Annotated[int, PlainValidator(size(1 << 20)), WithJsonSchema(_SIZE_SCHEMA)]
Moment = Annotated[int, PlainValidator(check_moment), WithJsonSchema(_MOMENT_SCHEMA)]
Umask = Annotated[
    int, PlainValidator(check_umask), WithJsonSchema({"type": "string", "pattern": "^0?[0-7]{1,3}$"})
]
CronText = Annotated[str, PlainValidator(check_cron_text), WithJsonSchema(_FILLED_TEXT)]
Zone = Annotated[str, PlainValidator(check_zone), WithJsonSchema(_FILLED_TEXT)]
Conditions = Annotated[
    tuple[str, ...],
    PlainValidator(check_conditions),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 255}, {"type": "string"}]},
        }
    ),
]
Signal = Annotated[str, PlainValidator(check_signal), WithJsonSchema(_FILLED_TEXT)]
Command = Annotated[
    str | tuple[str, ...],
    PlainValidator(check_command),
    WithJsonSchema({"anyOf": [_FILLED_TEXT, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Texts = Annotated[tuple[str, ...], PlainValidator(texts(check_filled)), WithJsonSchema(_TEXTS_SCHEMA)]
Target = Annotated[
    str, PlainValidator(check_target), WithJsonSchema({"type": "string", "pattern": r"^[^:]+:[^:]+$|\.py$"})
]
Function = Annotated[
    str, PlainValidator(check_function), WithJsonSchema({"type": "string", "pattern": "^[^:]+:[^:]+$"})
]
Args = Annotated[tuple[object, ...], PlainValidator(check_args), WithJsonSchema({"type": "array"})]
Kwargs = Annotated[dict[str, object], PlainValidator(check_kwargs), WithJsonSchema({"type": "object"})]
Data = Annotated[
    str,
    PlainValidator(check_data),
    WithJsonSchema(
        {"anyOf": [{"type": kind} for kind in ("object", "array", "string", "number", "boolean")]}
    ),
]
Jitter = Annotated[
    float | str,
    PlainValidator(check_jitter),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"const": "full"}]}),
]
Power = Annotated[
    float,
    PlainValidator(check_power),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 10}),
]
Concurrency = Annotated[
    int | str,
    PlainValidator(check_concurrency),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 100_000}, {"const": "cpus"}]}),
]


def _between(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


Count = Annotated[int, PlainValidator(whole(0, 10**9)), _between(0, 10**9)]
Some = Annotated[int, PlainValidator(whole(1, 10**9)), _between(1, 10**9)]
Few = Annotated[int, PlainValidator(whole(0, 1000)), _between(0, 1000)]
Tries = Annotated[int, PlainValidator(whole(1, 10_000)), _between(1, 10_000)]
Extra = Annotated[int, PlainValidator(whole(0, 9_999)), _between(0, 9_999)]
Nice = Annotated[int, PlainValidator(whole(-20, 19)), _between(-20, 19)]
OpenFiles = Annotated[int, PlainValidator(whole(16, 1 << 30)), _between(16, 1 << 30)]
Processes = Annotated[int, PlainValidator(whole(1, 1 << 22)), _between(1, 1 << 22)]

OverlapWord = Annotated[Overlap, PlainValidator(choice(Overlap)), _words(Overlap)]
CatchUpWord = Annotated[CatchUp, PlainValidator(choice(CatchUp)), _words(CatchUp)]
BackoffWord = Annotated[Backoff, PlainValidator(choice(Backoff)), _words(Backoff)]
OutputWord = Annotated[OutputMode, PlainValidator(choice(OutputMode)), _words(OutputMode)]
OnLostWord = Annotated[OnLost, PlainValidator(choice(OnLost)), _words(OnLost)]
IsolationWord = Annotated[Isolation, PlainValidator(choice(Isolation)), _words(Isolation)]
OnStopWord = Annotated[OnStop, PlainValidator(choice(OnStop)), _words(OnStop)]
