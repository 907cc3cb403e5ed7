"""One command that shows the whole way: two sandboxes, a migration, its proof, and the way back.

`generated` and `maven` make the old CRM, `occupied` the new one, which isn't empty; `run` carries the
migration out with the command line and compares what it says with what the seeds planted.
"""
