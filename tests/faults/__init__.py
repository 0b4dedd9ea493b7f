"""Inject faults into the real workflow and verify its results (``make reliability``)."""
