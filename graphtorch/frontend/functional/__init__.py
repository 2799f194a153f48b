"""The functions behind `torch.*` and the tensor methods, one file per family.

Each normalises its arguments (dims, promotion, broadcasting) and calls rows of the op table.
"""
