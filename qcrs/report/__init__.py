"""Reports of a run: one summary, drawn as plain SVG and written as one HTML page."""

from qcrs.report.page import page, write
from qcrs.report.summary import Entangled, Execution, Flow, Job, Processor, Summary

__all__ = ["Entangled", "Execution", "Flow", "Job", "Processor", "Summary", "page", "write"]
