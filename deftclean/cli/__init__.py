"""The door: parse, call, print; the one error handler. No torch until a command runs.

In reading order::

    main: the commands, and the error handler
    from_settings: options made from the fields of settings classes
    options: options that several commands share
    help: what `--help` shows
    settings_file: option values from deftclean.toml
    terminal: what is shown, made harmless; streams that never fail
    progress: bars and lines on stderr
    results: the end of scan, score and select
    scan: `scan`
    score: `score` and `select`
    demo: `demo`
    adapt: `adapt` and `predict`
    check: `check`, and the gate options of other commands
    report: `report` and `review`
    export: `export`
    data_sets: `dataset` and `corrupt`
    bench: `bench`
    cells: cells as text
    doctor: `doctor`
    diagnosis: what `doctor` looks at
"""
