"""How is the product broken from outside, and who says what became of the data?

`under` runs the unmodified product and counts its writes and calls, `lanes` gives it a pair of
sandboxes and saved copies, `oracle` and `recompute` judge by the sandboxes' own stores.
"""
