"""Where bytes live: on this machine, or behind a URL that the user gave.

The rest of the program knows local files alone. A command whose arguments are URLs works on a
mirror: a private folder in which each of them has a place, `urls/s3/bucket/key`, and from which
what was made is uploaded when the command has ended well.

In reading order::

    urls: what is a URL, which are refused, and the place of each in a mirror
    filesystems: the package that opens a kind of URL, and how long it may take
    retries: network errors: tried again, and then one message
    objects: files behind URLs: fetched whole, or many read at once
    ranges: large files behind URLs, of which parts are read
    contents: what lies below a URL, listed once
    mirror: the local places of what a command reads
    uploads: what a command has made, put to its URLs
    door: a public function whose arguments may be URLs
    folder: a folder of named pieces of data, behind a URL
    models: model folders and weights from URLs, kept in the user's cache
"""
