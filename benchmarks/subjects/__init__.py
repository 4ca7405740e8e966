"""The subjects of the suite, one a file, in the order of the report."""

SUBJECTS = ("append", "load", "fork", "edit", "disk", "commands", "scale", "memory", "corpus")
