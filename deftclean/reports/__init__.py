"""`report` and `review`: a score table for people, and what they decided. No torch.

In reading order::

    calibration: `clean_prob` beside what witnesses say and people decided
    overview: a whole table in figures
    histogram: where the bars of the histogram stand
    choosing: which rows a gallery shows, and why
    thumbnails: a small picture that fits into so many bytes
    pictures: small pictures of rows
    gallery: rows, each with its picture
    map: rows as points, look-alikes together
    page: figures and pictures to one HTML page
    report: `report()`, whole
    answers: what people answered, whatever tool they answered in
    label_studio: answers in Label Studio's exports
    fiftyone_samples: answers in FiftyOne's export
    review_lines: a file with decisions, recognised and read
    review_file: its lines to checked decisions
    review: `review()`, whole
"""
