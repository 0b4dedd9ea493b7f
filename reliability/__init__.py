"""Faults, injected into the real workflow, and what becomes of them."""
