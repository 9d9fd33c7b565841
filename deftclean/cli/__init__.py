"""The door: parse, call, print; the one error handler.

In reading order:

    main: the commands, the errors, the exit code
    from_settings: options of a command, made from the fields of settings classes
    options: what several commands share
    settings_file: option values from deftclean.toml or pyproject.toml
    progress: bars and lines on stderr
    results: the end of scan, score and select on a terminal
    scan: the command
    score: the commands score and select
    adapt: the commands adapt and predict
    check: the command, and the gate options that others share
    report: the commands report and review
    export: the command
    dataset: the command
    corrupt: the command
    demo: the command
    bench: the command
    cells: the cells of bench as text
    doctor: the command
    diagnosis: what doctor looks at
"""
