"""Is our own state whole, and how is it kept, brought back, and cleared of a person?

`fsck.py` looks, `rebuild.py` makes a lost ledger anew, `backup.py` and `restore.py` take copies, `purge.py`
erases a person. Nothing here writes to a vendor's system.
"""
