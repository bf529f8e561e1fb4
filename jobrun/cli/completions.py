"""The completion scripts of bash, zsh and fish, made from the command tree.

Commands and options stand in the script, so completing them starts nothing;
job and queue names and run numbers are asked of `jobrun _complete`, which
reads the store and imports next to nothing.
"""

from jobrun.cli.manual import CommandDoc, OptionDoc, everything, general_options
from jobrun.domain.errors import UsageError

_ASKED = {
    "JOB": "jobs",
    "RUN": "runs",
    "QUEUE": "queues",
    "JOB|RUN": "jobs runs",
    "RUN|JOB": "runs jobs",
}
_PATHS = {"FILE": "files", "DIR": "dirs", "FILE|-": "files", "FILE|latest": "files"}
_HELP = OptionDoc(("--help",), "", "Print help.")
_VERSION = OptionDoc(("--version",), "", "Print the version.")


def script(shell: str) -> str:
    """The whole script for one shell. Raises UsageError for another one."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in makers:
        raise UsageError(f'There is no completion for "{shell}".', "bash, zsh and fish are known.")
    return makers[shell](everything(), general_options())


def _option_kind(option: OptionDoc) -> str:
    """What completes the option's value: `words a b`, `ask jobs`, `files`, `dirs`, `none`; a flag: empty."""
    if not option.metavar:
        return ""
    if option.choices:
        return "words " + " ".join(option.choices)
    if option.metavar in _ASKED:
        return "ask " + _ASKED[option.metavar]
    return _PATHS.get(option.metavar, "none")


def _word_kind(doc: CommandDoc) -> str:
    """What completes the command's positional words."""
    for argument in doc.arguments:
        if argument.choices:
            return "words " + " ".join(argument.choices)
        if argument.name in _ASKED:
            return "ask " + _ASKED[argument.name]
    return "none"


def _command_options(doc: CommandDoc, general: tuple[OptionDoc, ...]) -> list[OptionDoc]:
    return [*doc.options, *general, _HELP]


def _value_cases(docs: list[CommandDoc], general: tuple[OptionDoc, ...], indent: str) -> list[str]:
    """`case "$command:$previous"` lines of every option that takes a value; the same in bash and zsh."""
    cases = []
    for doc in docs:
        for option in doc.options:
            if kind := _option_kind(option):
                pattern = "|".join(f"{doc.name}:{flag}" for flag in option.flags)
                cases.append(f"{indent}{pattern}) kind='{kind}' ;;")
    for option in general:
        if kind := _option_kind(option):
            cases.append(f"{indent}{'|'.join(f'*:{flag}' for flag in option.flags)}) kind='{kind}' ;;")
    return cases


def _bash(docs: list[CommandDoc], general: tuple[OptionDoc, ...]) -> str:
    flags = []
    for doc in docs:
        spellings = _spellings(_command_options(doc, general))
        flags.append(f"        {doc.name}) flags='{spellings}' kind='{_word_kind(doc)}' ;;")
    root = _spellings([*general, _HELP, _VERSION])
    return _fill(
        _BASH,
        COMMANDS=" ".join(doc.name for doc in docs),
        ROOT_FLAGS=root,
        FLAGS="\n".join(flags),
        VALUES="\n".join(_value_cases(docs, general, "        ")),
    )


def _spellings(options: list[OptionDoc]) -> str:
    return " ".join(flag for option in options for flag in option.flags)


def _fill(template: str, **parts: str) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template


def _zsh(docs: list[CommandDoc], general: tuple[OptionDoc, ...]) -> str:
    commands = [f"        {_zsh_item(doc.name, doc.summary)}" for doc in docs]
    flags = []
    for doc in docs:
        flags.append(f"        {doc.name})")
        flags.append(f"            kind='{_word_kind(doc)}'")
        flags.append("            flags=(")
        flags += [f"                {item}" for item in _zsh_flags(_command_options(doc, general))]
        flags.append("            ) ;;")
    root = [f"            {item}" for item in _zsh_flags([*general, _HELP, _VERSION])]
    return _fill(
        _ZSH,
        COMMANDS="\n".join(commands),
        ROOT_FLAGS="\n".join(root),
        FLAGS="\n".join(flags),
        VALUES="\n".join(_value_cases(docs, general, "        ")),
    )


def _zsh_flags(options: list[OptionDoc]) -> list[str]:
    return [_zsh_item(flag, option.help) for option in options for flag in option.flags]


def _zsh_item(name: str, text: str) -> str:
    quoted = text.rstrip(".").replace("'", "'\\''")
    return f"'{name}:{quoted}'"


def _fish(docs: list[CommandDoc], general: tuple[OptionDoc, ...]) -> str:
    lines = [_fish_option("", option) for option in [*general, _HELP, _VERSION]]
    for doc in docs:
        summary = _fish_text(doc.summary)
        lines.append(f"complete -c jobrun -n __jobrun_no_command -a {doc.name} -d {summary}")
    for doc in docs:
        condition = f"__jobrun_command_is {doc.name}"
        lines.append("")
        lines += [_fish_option(condition, option) for option in doc.options]
        values = _fish_values(_word_kind(doc))
        if values:
            lines.append(f"complete -c jobrun -n '{condition}' -a {values}")
    return _fill(_FISH, LINES="\n".join(lines))


def _fish_option(condition: str, option: OptionDoc) -> str:
    words = ["complete -c jobrun"]
    if condition:
        words.append(f"-n '{condition}'")
    words += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags]
    kind = _option_kind(option)
    if kind in ("files", "dirs"):
        words.append("-r -F")
    elif kind:
        words.append("-x")
        if values := _fish_values(kind):
            words.append(f"-a {values}")
    words.append(f"-d {_fish_text(option.help)}")
    return " ".join(words)


def _fish_values(kind: str) -> str:
    how, _, what = kind.partition(" ")
    if how == "words":
        return f"'{what}'"
    return f"'(__jobrun_ask {what})'" if how == "ask" else ""


def _fish_text(text: str) -> str:
    quoted = text.rstrip(".").replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"


_BASH = """\
# Completion of jobrun for bash. Made by `jobrun completion bash`; do not edit.

_jobrun() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
    local command='' flags='' kind='' value i rest=0
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $prev == '=' && COMP_CWORD -ge 2 ]]; then
        prev="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
        --) rest=1 ;;
        --config | --state-dir)
            [[ -n $command ]] && continue
            [[ ${COMP_WORDS[i+1]} == '=' ]] && ((i++))
            ((i++))
            ;;
        -*) ;;
        *) [[ -n $command ]] || command="${COMP_WORDS[i]}" ;;
        esac
    done
    if ((rest)); then
        mapfile -t COMPREPLY < <(compgen -c -f -- "$cur")
        return
    fi
    case "$command" in
        '') flags='@ROOT_FLAGS@' kind='words @COMMANDS@' ;;
@FLAGS@
    esac
    case "$command:$prev" in
@VALUES@
    *) [[ $cur == -* ]] && kind="words $flags" ;;
    esac
    case "$kind" in
    words*) mapfile -t COMPREPLY < <(compgen -W "${kind#words }" -- "$cur") ;;
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    dirs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    ask*)
        while IFS=$'\\t' read -r value _; do
            [[ $value == "$cur"* ]] && COMPREPLY+=("$value")
        done < <("${COMP_WORDS[0]}" _complete ${kind#ask } -- "${COMP_WORDS[@]:1}" 2>/dev/null)
        ;;
    esac
}
complete -F _jobrun jobrun
"""

_ZSH = """\
#compdef jobrun
# Completion of jobrun for zsh. Made by `jobrun completion zsh`; do not edit.

_jobrun() {
    local command='' kind='' line previous="${words[CURRENT-1]}" i
    local -a commands flags values
    commands=(
@COMMANDS@
    )
    for ((i = 2; i < CURRENT; i++)); do
        case "${words[i]}" in
        --) _normal; return ;;
        --config|--state-dir) [[ -n $command ]] || ((i++)) ;;
        -*) ;;
        *) [[ -n $command ]] || command="${words[i]}" ;;
        esac
    done
    case "$command" in
        '')
            flags=(
@ROOT_FLAGS@
            ) ;;
@FLAGS@
    esac
    case "$command:$previous" in
@VALUES@
        *) [[ ${words[CURRENT]} == -* ]] && kind='flags' ;;
    esac
    case "$kind" in
    flags) _describe -o option flags ;;
    words*) values=(${=kind#words }); _describe value values ;;
    files) _files ;;
    dirs) _files -/ ;;
    ask*)
        while IFS= read -r line; do
            values+=("${${line//:/\\\\:}/$'\\t'/:}")
        done < <("${words[1]}" _complete ${=kind#ask } -- "${(@)words[2,-1]}" 2>/dev/null)
        _describe -V value values
        ;;
    none) ;;
    *) [[ -n $command ]] || _describe command commands ;;
    esac
}

if [[ ${funcstack[1]} == _jobrun ]]; then
    _jobrun "$@"
else
    compdef _jobrun jobrun
fi
"""

_FISH = """\
# Completion of jobrun for fish. Made by `jobrun completion fish`; do not edit.

function __jobrun_command
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word --config --state-dir
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

function __jobrun_no_command
    not __jobrun_command >/dev/null
end

function __jobrun_command_is
    test (__jobrun_command; or echo) = $argv[1]
end

function __jobrun_ask
    jobrun _complete $argv -- (commandline -opc)[2..-1] 2>/dev/null
end

complete -c jobrun -f
@LINES@
"""
