"""The lines of the gate: each module answers one question, and none of them writes.

`lines.py` says what a line is; `migrate.cutover.gate` asks them all, in the order of its list.
"""
