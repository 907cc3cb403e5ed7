"""Does the product keep its promises, at full size? One line a claim, measured anew at each run.

`run` prints the lines, `claims` is the table of what is to be shown, `bounds.toml` says how well.
"""
