"""Faults on purpose, and what came of them: for the tests of faults and for the long run of `scripts/faults`.

It never asks the toolkit whether the toolkit was right: both sides are compared by a statement of its own.
"""
