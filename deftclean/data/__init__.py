"""What the user points at, a folder or a table, to a `Manifest`. No picture is opened; no torch.

In reading order::

    options: what the user may say where the usual names do not say it
    hints: commands that lead on, for refusals
    folders: the images below a folder, by name
    layouts: which folders are classes, which are splits, and which only wrap them
    votes: several annotators to one label
    coco: COCO's images and annotations
    label_studio: Label Studio's exports
    json_tables: a JSON file as a table
    records: a text table as rows and columns
    columns: which column of a table is called how, and which holds images
    one_hot: columns of 0 and 1 to labels
    file_names: file names as written to POSIX paths below the data folder
    labels: labels as written to class names
    several_labels: cells that hold several labels
    lines: records of a text table to the lines they stand on
    locating: file names that lead nowhere, to files that are there
    asking: which columns hold file names and labels, asked for in one error
    table_rows: the rows of a table whose columns are understood
    collected: tables inside a folder of images
    manifest: all of it together: file names, labels, class names
"""
