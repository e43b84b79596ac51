"""What a scan found, as dataclasses over ``artcheck/json-v1``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Mapping

Severity = Literal["info", "warning", "error"]


class ArtcheckError(Exception):
    """A scan that does not pass; ``status`` is artcheck's exit status."""

    status = 2


class UsageError(ArtcheckError):
    """2: wrong usage or configuration, or the job could not be done."""


class FindingsError(ArtcheckError):
    """1: findings at or above ``fail_on``."""

    status = 1


class NothingError(ArtcheckError):
    """3: nothing to look at."""

    status = 3


class UndecidedError(ArtcheckError):
    """4: something could not be decided."""

    status = 4


@dataclass(frozen=True)
class Finding:
    """One problem of one artifact."""

    rule: str
    name: str
    severity: Severity
    artifact: str
    message: str
    help: str
    runtime: str | None = None
    runtime_says: str | None = None
    evidence: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    fingerprint: str | None = None


@dataclass(frozen=True)
class Undecided:
    """What a rule could not decide, and why."""

    rule: str
    why: str


@dataclass(frozen=True)
class Need:
    """A library that the machine must have, and who brings it."""

    library: str
    brought_by: str


@dataclass(frozen=True)
class Verdict:
    """A model library or client on one runtime."""

    artifact: str
    runtime: str
    source: Literal["given", "found", "release"]
    status: Literal["fits", "fits-if", "breaks", "undecided"]
    rules: tuple[str, ...] = ()
    prefix: str | None = None
    undecided: tuple[Undecided, ...] = ()
    needs: tuple[Need, ...] = ()
    runs_with: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Artifact:
    """A file, or a member of an archive."""

    path: str
    role: str
    size: int
    format: str | None = None
    architecture: str | None = None
    platform: str | None = None


@dataclass(frozen=True)
class Report:
    """Everything that a scan found."""

    status: int
    """artcheck's exit status."""
    artifacts: tuple[Artifact, ...]
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    raw: Mapping[str, Any] = field(repr=False)
    """The whole report, ``artcheck/json-v1``."""

    @property
    def ok(self) -> bool:
        """Whether the gate is open."""
        return self.status == 0

    def check(self) -> Report:
        """Returns the report, or raises what its status means."""
        if self.status == 1:
            errors = [f for f in self.findings if f.severity == "error"] or self.findings
            lines = [f"{f.rule} {f.artifact}: {f.message}" for f in errors]
            raise FindingsError("\n".join(lines))
        if self.status == 3:
            raise NothingError("nothing to look at")
        if self.status == 4:
            open_verdicts = [v for v in self.verdicts if v.undecided]
            lines = [f"{v.artifact} on {v.runtime}: {u.why}" for v in open_verdicts for u in v.undecided]
            raise UndecidedError("\n".join(lines) or "something could not be decided")
        return self

    @classmethod
    def of(cls, raw: Mapping[str, Any], status: int) -> Report:
        """Reads a report of ``artcheck scan --format json``."""
        return cls(
            status=status,
            artifacts=tuple(_take(Artifact, entry) for entry in raw["artifacts"]),
            verdicts=tuple(_verdict(entry) for entry in raw["verdicts"]),
            findings=tuple(_take(Finding, entry) for entry in raw["findings"]),
            raw=raw,
        )


def _take(kind: type[Any], entry: Mapping[str, Any]) -> Any:
    """The members that the dataclass has; the form only grows."""
    values = {name: entry[name] for name in kind.__dataclass_fields__ if name in entry}
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _verdict(entry: Mapping[str, Any]) -> Verdict:
    undecided = [_take(Undecided, reason) for reason in entry.get("undecided", [])]
    needs = [_take(Need, need) for need in entry.get("needs", [])]
    verdict: Verdict = _take(Verdict, {**entry, "undecided": undecided, "needs": needs})
    return verdict
