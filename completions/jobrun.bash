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
        '') flags='--config --state-dir --utc --help --version' kind='words init check schema add remove list show next explain why pause resume status history logs result run submit wait cancel retry progress checkpoint retry-me daemon workers reload stop doctor completion' ;;
        init) flags='--stdout --config --state-dir --utc --help' kind='none' ;;
        check) flags='--imports --timeout --json --config --state-dir --utc --help' kind='none' ;;
        schema) flags='--config --state-dir --utc --help' kind='none' ;;
        add) flags='--cron --every --after --at --python --arg --kwarg --interpreter --isolation --pool --data --checkpoint --description --tag --timezone -q --queue --timeout --grace --attempts --delay --retry-on --overlap --catch-up --spread -e --env --cwd --user --memory --disabled --config --state-dir --utc --help' kind='none' ;;
        remove) flags='--config --state-dir --utc --help' kind='ask jobs' ;;
        list) flags='--tag -q --queue --json --config --state-dir --utc --help' kind='none' ;;
        show) flags='--resolved --traceback --json --config --state-dir --utc --help' kind='ask jobs runs' ;;
        next) flags='-n --count --expr --tz --from --json --config --state-dir --utc --help' kind='ask jobs' ;;
        explain) flags='--tz --from -n --count --json --config --state-dir --utc --help' kind='none' ;;
        why) flags='--at --slot --last --json --config --state-dir --utc --help' kind='ask jobs' ;;
        pause) flags='-q --queue --reason --config --state-dir --utc --help' kind='ask jobs' ;;
        resume) flags='-q --queue --config --state-dir --utc --help' kind='ask jobs' ;;
        status) flags='-w --watch --json --config --state-dir --utc --help' kind='ask jobs' ;;
        history) flags='-o --outcome --cause -q --queue --live --since --until -n --limit --before --versions --json --config --state-dir --utc --help' kind='ask jobs' ;;
        logs) flags='-f --follow --attempt -n --lines --stdout --stderr --raw --json --config --state-dir --utc --help' kind='ask runs jobs' ;;
        result) flags='--json --config --state-dir --utc --help' kind='ask runs jobs' ;;
        run) flags='--data --bulk --resume-from -w --wait -f --follow --in --at -e --env --priority --json --config --state-dir --utc --help' kind='ask jobs' ;;
        submit) flags='--name --python --arg --kwarg --interpreter --isolation --pool --data -q --queue -w --wait -f --follow --in --at --timeout --attempts --delay --retry-on --template -e --env --cwd --memory --priority --json --config --state-dir --utc --help' kind='none' ;;
        wait) flags='--timeout --json --config --state-dir --utc --help' kind='ask runs' ;;
        cancel) flags='--json --config --state-dir --utc --help' kind='ask runs jobs' ;;
        retry) flags='--failed --since --json --config --state-dir --utc --help' kind='ask runs' ;;
        progress) flags='--of --state --meta --config --state-dir --utc --help' kind='none' ;;
        checkpoint) flags='--step --meta --json --config --state-dir --utc --help' kind='words save list latest' ;;
        retry-me) flags='--in --config --state-dir --utc --help' kind='none' ;;
        daemon) flags='--log-format --log-level --on-stop --set-aside-corrupt --config --state-dir --utc --help' kind='none' ;;
        workers) flags='-w --watch --json --config --state-dir --utc --help' kind='none' ;;
        reload) flags='-n --dry-run --json --config --state-dir --utc --help' kind='none' ;;
        stop) flags='--mode --kill-jobs --no-wait --config --state-dir --utc --help' kind='none' ;;
        doctor) flags='--deep --json --config --state-dir --utc --help' kind='none' ;;
        completion) flags='--config --state-dir --utc --help' kind='words bash zsh fish' ;;
    esac
    case "$command:$prev" in
        check:--timeout) kind='none' ;;
        add:--cron) kind='none' ;;
        add:--every) kind='none' ;;
        add:--after) kind='none' ;;
        add:--at) kind='none' ;;
        add:--python) kind='none' ;;
        add:--arg) kind='none' ;;
        add:--kwarg) kind='none' ;;
        add:--interpreter) kind='files' ;;
        add:--isolation) kind='none' ;;
        add:--pool) kind='none' ;;
        add:--data) kind='none' ;;
        add:--description) kind='none' ;;
        add:--tag) kind='none' ;;
        add:--timezone) kind='none' ;;
        add:-q|add:--queue) kind='ask queues' ;;
        add:--timeout) kind='none' ;;
        add:--grace) kind='none' ;;
        add:--attempts) kind='none' ;;
        add:--delay) kind='none' ;;
        add:--retry-on) kind='none' ;;
        add:--overlap) kind='none' ;;
        add:--catch-up) kind='none' ;;
        add:--spread) kind='none' ;;
        add:-e|add:--env) kind='none' ;;
        add:--cwd) kind='dirs' ;;
        add:--user) kind='none' ;;
        add:--memory) kind='none' ;;
        list:--tag) kind='none' ;;
        list:-q|list:--queue) kind='ask queues' ;;
        next:-n|next:--count) kind='none' ;;
        next:--expr) kind='none' ;;
        next:--tz) kind='none' ;;
        next:--from) kind='none' ;;
        explain:--tz) kind='none' ;;
        explain:--from) kind='none' ;;
        explain:-n|explain:--count) kind='none' ;;
        why:--at) kind='none' ;;
        why:--slot) kind='none' ;;
        pause:-q|pause:--queue) kind='ask queues' ;;
        pause:--reason) kind='none' ;;
        resume:-q|resume:--queue) kind='ask queues' ;;
        history:-o|history:--outcome) kind='words succeeded failed timed_out cancelled skipped lost' ;;
        history:--cause) kind='words exit_code exception dead signal oom cpu_time processes spawn timeout soft_timeout overlap missed paused disabled deadline user shutdown superseded removed host_crash daemon_crash' ;;
        history:-q|history:--queue) kind='ask queues' ;;
        history:--since) kind='none' ;;
        history:--until) kind='none' ;;
        history:-n|history:--limit) kind='none' ;;
        history:--before) kind='ask runs' ;;
        logs:--attempt) kind='none' ;;
        logs:-n|logs:--lines) kind='none' ;;
        run:--data) kind='none' ;;
        run:--bulk) kind='files' ;;
        run:--resume-from) kind='files' ;;
        run:--in) kind='none' ;;
        run:--at) kind='none' ;;
        run:-e|run:--env) kind='none' ;;
        run:--priority) kind='none' ;;
        submit:--name) kind='none' ;;
        submit:--python) kind='none' ;;
        submit:--arg) kind='none' ;;
        submit:--kwarg) kind='none' ;;
        submit:--interpreter) kind='files' ;;
        submit:--isolation) kind='none' ;;
        submit:--pool) kind='none' ;;
        submit:--data) kind='none' ;;
        submit:-q|submit:--queue) kind='ask queues' ;;
        submit:--in) kind='none' ;;
        submit:--at) kind='none' ;;
        submit:--timeout) kind='none' ;;
        submit:--attempts) kind='none' ;;
        submit:--delay) kind='none' ;;
        submit:--retry-on) kind='none' ;;
        submit:--template) kind='none' ;;
        submit:-e|submit:--env) kind='none' ;;
        submit:--cwd) kind='dirs' ;;
        submit:--memory) kind='none' ;;
        submit:--priority) kind='none' ;;
        wait:--timeout) kind='none' ;;
        retry:--since) kind='none' ;;
        progress:--of) kind='none' ;;
        progress:--state) kind='none' ;;
        progress:--meta) kind='none' ;;
        checkpoint:--step) kind='none' ;;
        checkpoint:--meta) kind='none' ;;
        retry-me:--in) kind='none' ;;
        daemon:--log-format) kind='words auto human json' ;;
        daemon:--log-level) kind='words debug info warning error' ;;
        daemon:--on-stop) kind='words drain leave kill' ;;
        stop:--mode) kind='words drain leave kill' ;;
        *:--config) kind='files' ;;
        *:--state-dir) kind='dirs' ;;
    *) [[ $cur == -* ]] && kind="words $flags" ;;
    esac
    case "$kind" in
    words*) mapfile -t COMPREPLY < <(compgen -W "${kind#words }" -- "$cur") ;;
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    dirs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    ask*)
        while IFS=$'\t' read -r value _; do
            [[ $value == "$cur"* ]] && COMPREPLY+=("$value")
        done < <("${COMP_WORDS[0]}" _complete ${kind#ask } -- "${COMP_WORDS[@]:1}" 2>/dev/null)
        ;;
    esac
}
complete -F _jobrun jobrun
