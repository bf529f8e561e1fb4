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
complete -c jobrun -l config -r -F -d 'The job file (or $JOBRUN_CONFIG)'
complete -c jobrun -l state-dir -r -F -d 'Where the daemon keeps its state (or $JOBRUN_STATE_DIR)'
complete -c jobrun -l utc -d 'Show and read times in UTC, not in the host\'s zone'
complete -c jobrun -l help -d 'Print help'
complete -c jobrun -l version -d 'Print the version'
complete -c jobrun -n __jobrun_no_command -a init -d 'Write an example job file to start from'
complete -c jobrun -n __jobrun_no_command -a check -d 'Check the job file and name every problem'
complete -c jobrun -n __jobrun_no_command -a schema -d 'Print the JSON schema of the job file, for editors'
complete -c jobrun -n __jobrun_no_command -a add -d 'Add a job'
complete -c jobrun -n __jobrun_no_command -a remove -d 'Remove a job that `add` wrote'
complete -c jobrun -n __jobrun_no_command -a list -d 'List the jobs'
complete -c jobrun -n __jobrun_no_command -a show -d 'Show everything about a job or a run'
complete -c jobrun -n __jobrun_no_command -a next -d 'Show when jobs are due next'
complete -c jobrun -n __jobrun_no_command -a explain -d 'Say in words what a cron expression means'
complete -c jobrun -n __jobrun_no_command -a why -d 'Say why a job ran at a moment, did not run, or will'
complete -c jobrun -n __jobrun_no_command -a pause -d 'Pause a job or a queue'
complete -c jobrun -n __jobrun_no_command -a resume -d 'Resume a paused job or queue'
complete -c jobrun -n __jobrun_no_command -a status -d 'Show what is going on: the daemon, live runs, every job'
complete -c jobrun -n __jobrun_no_command -a history -d 'List runs, newest first'
complete -c jobrun -n __jobrun_no_command -a logs -d 'Print what a run printed'
complete -c jobrun -n __jobrun_no_command -a result -d 'Print the result of a run'
complete -c jobrun -n __jobrun_no_command -a run -d 'Start a job now, or at a later moment'
complete -c jobrun -n __jobrun_no_command -a submit -d 'Run a command once, supervised and recorded'
complete -c jobrun -n __jobrun_no_command -a wait -d 'Wait until runs have ended'
complete -c jobrun -n __jobrun_no_command -a cancel -d 'Cancel runs: waiting ones at once, running ones by TERM, then KILL'
complete -c jobrun -n __jobrun_no_command -a retry -d 'Run failed runs again, as new runs'
complete -c jobrun -n __jobrun_no_command -a progress -d 'Say how far the run is'
complete -c jobrun -n __jobrun_no_command -a checkpoint -d 'Keep files to go on from, or find them again'
complete -c jobrun -n __jobrun_no_command -a retry-me -d 'Ask for another try of the run after a time'
complete -c jobrun -n __jobrun_no_command -a daemon -d 'Run the daemon in the foreground'
complete -c jobrun -n __jobrun_no_command -a workers -d 'List the warm workers of Python jobs'
complete -c jobrun -n __jobrun_no_command -a reload -d 'Make the daemon read its job file again'
complete -c jobrun -n __jobrun_no_command -a stop -d 'Stop the daemon'
complete -c jobrun -n __jobrun_no_command -a doctor -d 'Show what this host offers and what is wrong'
complete -c jobrun -n __jobrun_no_command -a completion -d 'Print the shell completion script'

complete -c jobrun -n '__jobrun_command_is init' -l stdout -d 'Print it instead of writing it'

complete -c jobrun -n '__jobrun_command_is check' -l imports -d 'Import what Python jobs call, as they would'
complete -c jobrun -n '__jobrun_command_is check' -l timeout -x -d 'With --imports: the most that one may take'
complete -c jobrun -n '__jobrun_command_is check' -l json -d 'Print JSON; its shape is in docs/json.md'


complete -c jobrun -n '__jobrun_command_is add' -l cron -x -d 'Due when this cron text says so'
complete -c jobrun -n '__jobrun_command_is add' -l every -x -d 'Due at fixed intervals, such as "30s"'
complete -c jobrun -n '__jobrun_command_is add' -l after -x -d 'Due this long after the last run\'s end'
complete -c jobrun -n '__jobrun_command_is add' -l at -x -d 'Due once: "2026-03-01T03:00", "tomorrow 03:00", "2h"'
complete -c jobrun -n '__jobrun_command_is add' -l python -x -d 'Call this "module:function", or run this .py'
complete -c jobrun -n '__jobrun_command_is add' -l arg -x -d 'An argument of the function, as JSON or text'
complete -c jobrun -n '__jobrun_command_is add' -l kwarg -x -d 'A keyword argument of the function'
complete -c jobrun -n '__jobrun_command_is add' -l interpreter -r -F -d 'The Python that calls the function'
complete -c jobrun -n '__jobrun_command_is add' -l isolation -x -d 'warm: in a lasting worker; fresh: in a new process'
complete -c jobrun -n '__jobrun_command_is add' -l pool -x -d 'The pool of workers that calls the function'
complete -c jobrun -n '__jobrun_command_is add' -l data -x -d 'Data for it: JSON, from a file, or from stdin'
complete -c jobrun -n '__jobrun_command_is add' -l checkpoint -d 'Give its runs a directory for checkpoints, to go on from'
complete -c jobrun -n '__jobrun_command_is add' -l description -x -d 'What the job is for'
complete -c jobrun -n '__jobrun_command_is add' -l tag -x -d 'A tag; may be repeated'
complete -c jobrun -n '__jobrun_command_is add' -l timezone -x -d 'The zone of --cron and --at'
complete -c jobrun -n '__jobrun_command_is add' -s q -l queue -x -a '(__jobrun_ask queues)' -d 'The queue it runs in'
complete -c jobrun -n '__jobrun_command_is add' -l timeout -x -d 'Stop an attempt after this time'
complete -c jobrun -n '__jobrun_command_is add' -l grace -x -d 'Time between TERM and KILL'
complete -c jobrun -n '__jobrun_command_is add' -l attempts -x -d 'How often to try, the first included'
complete -c jobrun -n '__jobrun_command_is add' -l delay -x -d 'The wait before the second attempt'
complete -c jobrun -n '__jobrun_command_is add' -l retry-on -x -d 'Try again only after this: 75, "signal:KILL", "timed_out", "ConnectionError"; may be repeated'
complete -c jobrun -n '__jobrun_command_is add' -l overlap -x -d 'If the last run is unfinished: skip, queue_one, queue_all, replace or allow'
complete -c jobrun -n '__jobrun_command_is add' -l catch-up -x -d 'Of missed times, run none, the latest or all'
complete -c jobrun -n '__jobrun_command_is add' -l spread -x -d 'Start up to this much later, fixed per host and job'
complete -c jobrun -n '__jobrun_command_is add' -s e -l env -x -d 'Set a variable; K alone copies yours'
complete -c jobrun -n '__jobrun_command_is add' -l cwd -r -F -d 'The working directory'
complete -c jobrun -n '__jobrun_command_is add' -l user -x -d 'Run as this user (root\'s daemon only)'
complete -c jobrun -n '__jobrun_command_is add' -l memory -x -d 'Limit of memory, such as "512M"'
complete -c jobrun -n '__jobrun_command_is add' -l disabled -d 'Add it without starting it'

complete -c jobrun -n '__jobrun_command_is remove' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is list' -l tag -x -d 'Only jobs with this tag'
complete -c jobrun -n '__jobrun_command_is list' -s q -l queue -x -a '(__jobrun_ask queues)' -d 'Only this queue'
complete -c jobrun -n '__jobrun_command_is list' -l json -d 'Print JSON; its shape is in docs/json.md'

complete -c jobrun -n '__jobrun_command_is show' -l resolved -d 'Of a job: every setting of the job file, and its origin'
complete -c jobrun -n '__jobrun_command_is show' -l traceback -d 'Of a run: only the traceback of its last failed attempt'
complete -c jobrun -n '__jobrun_command_is show' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is show' -a '(__jobrun_ask jobs runs)'

complete -c jobrun -n '__jobrun_command_is next' -s n -l count -x -d 'How many'
complete -c jobrun -n '__jobrun_command_is next' -l expr -x -d 'Cron text instead of the jobs'
complete -c jobrun -n '__jobrun_command_is next' -l tz -x -d 'The zone of --expr (else the host\'s)'
complete -c jobrun -n '__jobrun_command_is next' -l from -x -d 'Times after this moment, not after now'
complete -c jobrun -n '__jobrun_command_is next' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is next' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is explain' -l tz -x -d 'The zone it is read in (else the host\'s)'
complete -c jobrun -n '__jobrun_command_is explain' -l from -x -d 'The dates after this moment, not after now'
complete -c jobrun -n '__jobrun_command_is explain' -s n -l count -x -d 'How many dates'
complete -c jobrun -n '__jobrun_command_is explain' -l json -d 'Print JSON; its shape is in docs/json.md'

complete -c jobrun -n '__jobrun_command_is why' -l at -x -d 'At this time: "03:00", "yesterday", "2026-03-01T03:00"'
complete -c jobrun -n '__jobrun_command_is why' -l slot -x -d 'The last slot at or before this time'
complete -c jobrun -n '__jobrun_command_is why' -l last -d 'The last slot that has come due'
complete -c jobrun -n '__jobrun_command_is why' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is why' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is pause' -s q -l queue -x -a '(__jobrun_ask queues)' -d 'A queue; may be repeated'
complete -c jobrun -n '__jobrun_command_is pause' -l reason -x -d 'Why, for the record'
complete -c jobrun -n '__jobrun_command_is pause' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is resume' -s q -l queue -x -a '(__jobrun_ask queues)' -d 'A queue; may be repeated'
complete -c jobrun -n '__jobrun_command_is resume' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is status' -s w -l watch -d 'Refresh every second; Ctrl-C ends'
complete -c jobrun -n '__jobrun_command_is status' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is status' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is history' -s o -l outcome -x -a 'succeeded failed timed_out cancelled skipped lost' -d 'Only runs that ended like this; may be repeated'
complete -c jobrun -n '__jobrun_command_is history' -l cause -x -a 'exit_code exception dead signal oom cpu_time processes spawn timeout soft_timeout overlap missed paused disabled deadline user shutdown superseded removed host_crash daemon_crash' -d 'Only this cause, such as "overlap"'
complete -c jobrun -n '__jobrun_command_is history' -s q -l queue -x -a '(__jobrun_ask queues)' -d 'Only this queue'
complete -c jobrun -n '__jobrun_command_is history' -l live -d 'Only unfinished runs'
complete -c jobrun -n '__jobrun_command_is history' -l since -x -d 'From this moment on: "2h" (ago), "yesterday", "2026-03-01T03:00"'
complete -c jobrun -n '__jobrun_command_is history' -l until -x -d 'Up to this moment, written like --since'
complete -c jobrun -n '__jobrun_command_is history' -s n -l limit -x -d 'At most this many (else 20 runs)'
complete -c jobrun -n '__jobrun_command_is history' -l before -x -a '(__jobrun_ask runs)' -d 'Only runs with a smaller number'
complete -c jobrun -n '__jobrun_command_is history' -l versions -d 'Of a job: when its definition changed, and how'
complete -c jobrun -n '__jobrun_command_is history' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is history' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is logs' -s f -l follow -d 'Go on until the run has ended, over its attempts'
complete -c jobrun -n '__jobrun_command_is logs' -l attempt -x -d 'This attempt (else the last)'
complete -c jobrun -n '__jobrun_command_is logs' -s n -l lines -x -d 'Only the last lines'
complete -c jobrun -n '__jobrun_command_is logs' -l stdout -d 'Only what went to stdout'
complete -c jobrun -n '__jobrun_command_is logs' -l stderr -d 'Only what went to stderr'
complete -c jobrun -n '__jobrun_command_is logs' -l raw -d 'On a terminal: the bytes as they are, escapes included'
complete -c jobrun -n '__jobrun_command_is logs' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is logs' -a '(__jobrun_ask runs jobs)'

complete -c jobrun -n '__jobrun_command_is result' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is result' -a '(__jobrun_ask runs jobs)'

complete -c jobrun -n '__jobrun_command_is run' -l data -x -d 'Data for it: JSON, from a file, or from stdin'
complete -c jobrun -n '__jobrun_command_is run' -l bulk -r -F -d 'A run for each line of this file, its data as JSON'
complete -c jobrun -n '__jobrun_command_is run' -l resume-from -r -F -d 'The checkpoint for it to go on from'
complete -c jobrun -n '__jobrun_command_is run' -s w -l wait -d 'Wait for its end; exit 1 unless it succeeded'
complete -c jobrun -n '__jobrun_command_is run' -s f -l follow -d 'Print its output while it runs, and wait for its end'
complete -c jobrun -n '__jobrun_command_is run' -l in -x -d 'Start after this time, such as "10m"'
complete -c jobrun -n '__jobrun_command_is run' -l at -x -d 'Start then: "23:30", "2026-03-01T03:00"'
complete -c jobrun -n '__jobrun_command_is run' -s e -l env -x -d 'Set a variable; K alone copies yours'
complete -c jobrun -n '__jobrun_command_is run' -l priority -x -d 'Its place in the queue; lower starts first'
complete -c jobrun -n '__jobrun_command_is run' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is run' -a '(__jobrun_ask jobs)'

complete -c jobrun -n '__jobrun_command_is submit' -l name -x -d 'What to call it (else the program\'s name)'
complete -c jobrun -n '__jobrun_command_is submit' -l python -x -d 'Call this "module:function", or run this .py'
complete -c jobrun -n '__jobrun_command_is submit' -l arg -x -d 'An argument of the function, as JSON or text'
complete -c jobrun -n '__jobrun_command_is submit' -l kwarg -x -d 'A keyword argument of the function'
complete -c jobrun -n '__jobrun_command_is submit' -l interpreter -r -F -d 'The Python that calls the function'
complete -c jobrun -n '__jobrun_command_is submit' -l isolation -x -d 'warm: in a lasting worker; fresh: in a new process'
complete -c jobrun -n '__jobrun_command_is submit' -l pool -x -d 'The pool of workers that calls the function'
complete -c jobrun -n '__jobrun_command_is submit' -l data -x -d 'Data for it: JSON, from a file, or from stdin'
complete -c jobrun -n '__jobrun_command_is submit' -s q -l queue -x -a '(__jobrun_ask queues)' -d 'The queue it runs in'
complete -c jobrun -n '__jobrun_command_is submit' -s w -l wait -d 'Wait for its end; exit 1 unless it succeeded'
complete -c jobrun -n '__jobrun_command_is submit' -s f -l follow -d 'Print its output while it runs, and wait for its end'
complete -c jobrun -n '__jobrun_command_is submit' -l in -x -d 'Start after this time, such as "10m"'
complete -c jobrun -n '__jobrun_command_is submit' -l at -x -d 'Start then: "23:30", "2026-03-01T03:00"'
complete -c jobrun -n '__jobrun_command_is submit' -l timeout -x -d 'Stop an attempt after this time'
complete -c jobrun -n '__jobrun_command_is submit' -l attempts -x -d 'How often to try, the first included'
complete -c jobrun -n '__jobrun_command_is submit' -l delay -x -d 'The wait before the second attempt'
complete -c jobrun -n '__jobrun_command_is submit' -l retry-on -x -d 'Try again only after this: 75, "signal:KILL", "timed_out", "ConnectionError"; may be repeated'
complete -c jobrun -n '__jobrun_command_is submit' -l template -x -d 'A template of the job file'
complete -c jobrun -n '__jobrun_command_is submit' -s e -l env -x -d 'Set a variable; K alone copies yours'
complete -c jobrun -n '__jobrun_command_is submit' -l cwd -r -F -d 'The working directory (else this one)'
complete -c jobrun -n '__jobrun_command_is submit' -l memory -x -d 'Limit of memory, such as "512M"'
complete -c jobrun -n '__jobrun_command_is submit' -l priority -x -d 'Its place in the queue; lower starts first'
complete -c jobrun -n '__jobrun_command_is submit' -l json -d 'Print JSON; its shape is in docs/json.md'

complete -c jobrun -n '__jobrun_command_is wait' -l timeout -x -d 'Wait no longer than this'
complete -c jobrun -n '__jobrun_command_is wait' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is wait' -a '(__jobrun_ask runs)'

complete -c jobrun -n '__jobrun_command_is cancel' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is cancel' -a '(__jobrun_ask runs jobs)'

complete -c jobrun -n '__jobrun_command_is retry' -l failed -d 'Every failed run not retried yet'
complete -c jobrun -n '__jobrun_command_is retry' -l since -x -d 'From this moment on: "2h" (ago), "yesterday", "2026-03-01T03:00"'
complete -c jobrun -n '__jobrun_command_is retry' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is retry' -a '(__jobrun_ask runs)'

complete -c jobrun -n '__jobrun_command_is progress' -l of -x -d 'How many of how many are done'
complete -c jobrun -n '__jobrun_command_is progress' -l state -x -d 'What the run is doing'
complete -c jobrun -n '__jobrun_command_is progress' -l meta -x -d 'A fact beside it, as JSON or text; may be repeated'

complete -c jobrun -n '__jobrun_command_is checkpoint' -l step -x -d 'Of save: the step that the file belongs to'
complete -c jobrun -n '__jobrun_command_is checkpoint' -l meta -x -d 'A fact beside it, as JSON or text; may be repeated'
complete -c jobrun -n '__jobrun_command_is checkpoint' -l json -d 'Print JSON; its shape is in docs/json.md'
complete -c jobrun -n '__jobrun_command_is checkpoint' -a 'save list latest'

complete -c jobrun -n '__jobrun_command_is retry-me' -l in -x -d 'How long to wait, such as "60s" or "1h30m"'

complete -c jobrun -n '__jobrun_command_is daemon' -l log-format -x -a 'auto human json' -d 'Lines for people, or one JSON object a line'
complete -c jobrun -n '__jobrun_command_is daemon' -l log-level -x -a 'debug info warning error' -d 'The least that is logged'
complete -c jobrun -n '__jobrun_command_is daemon' -l on-stop -x -a 'drain leave kill' -d 'What becomes of running jobs at the end (else as the file says)'
complete -c jobrun -n '__jobrun_command_is daemon' -l set-aside-corrupt -d 'Rename a damaged database and begin with an empty one'

complete -c jobrun -n '__jobrun_command_is workers' -s w -l watch -d 'Refresh every second; Ctrl-C ends'
complete -c jobrun -n '__jobrun_command_is workers' -l json -d 'Print JSON; its shape is in docs/json.md'

complete -c jobrun -n '__jobrun_command_is reload' -s n -l dry-run -d 'Only say what would change'
complete -c jobrun -n '__jobrun_command_is reload' -l json -d 'Print JSON; its shape is in docs/json.md'

complete -c jobrun -n '__jobrun_command_is stop' -l mode -x -a 'drain leave kill' -d 'drain: wait for running jobs, then stop them; leave: let them run on for the next daemon; kill: stop them at once'
complete -c jobrun -n '__jobrun_command_is stop' -l kill-jobs -d 'The same as --mode kill'
complete -c jobrun -n '__jobrun_command_is stop' -l no-wait -d 'Do not wait until it has ended'

complete -c jobrun -n '__jobrun_command_is doctor' -l deep -d 'Check every page of the database'
complete -c jobrun -n '__jobrun_command_is doctor' -l json -d 'Print JSON; its shape is in docs/json.md'

complete -c jobrun -n '__jobrun_command_is completion' -a 'bash zsh fish'
