"""Passes over fx graphs."""
