"""What the user points at, a folder or a table, to a `Manifest`. No picture is opened; no torch.

In reading order::

    options: what the user may say where the usual names do not say it
    hints: commands that lead on, for refusals
    folders: the images below a folder, by name
    layouts: which folders are classes, which are splits, and which only wrap them
    columns: which column of a table holds what
    file_names: file names as written to POSIX paths below the data folder
    labels: labels as written to class names
    several_labels: cells that hold several labels
    lines: records of a text table to the lines they stand on
    choosing: which rows of a table are read
    manifest: all of it together: file names, labels, class names
"""
