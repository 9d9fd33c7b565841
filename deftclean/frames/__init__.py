"""`find_label_issues`: data as Python holds it in, a pandas DataFrame out. No torch until it scans.

In reading order::

    inputs: what Python holds, as names and labels
    pictures: pictures that lie in no file, written for a scan
    issues: `find_label_issues()`, whole
"""
