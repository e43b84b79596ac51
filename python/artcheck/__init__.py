"""Says whether compiled TVM Relax / mlc-llm model libraries will load and run.

A thin, typed layer over the ``artcheck`` program that the package brings::

    import artcheck

    report = artcheck.scan("dist", runtime="tvm-0.27")
    for finding in report.findings:
        print(finding.rule, finding.artifact, finding.message)
    report.check()  # raises where the gate is closed
"""

from ._report import (
    Artifact,
    ArtcheckError,
    Finding,
    FindingsError,
    NothingError,
    Report,
    Undecided,
    UndecidedError,
    UsageError,
    Verdict,
)
from ._run import program, scan

__all__ = [
    "Artifact",
    "ArtcheckError",
    "Finding",
    "FindingsError",
    "NothingError",
    "Report",
    "Undecided",
    "UndecidedError",
    "UsageError",
    "Verdict",
    "program",
    "scan",
]
