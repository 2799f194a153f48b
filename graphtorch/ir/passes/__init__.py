"""Passes keep a graph's meaning: plain functions `Graph -> Graph`, one to a file.

`pipeline` has their order.
"""
