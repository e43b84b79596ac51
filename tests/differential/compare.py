"""What differs between the answers of several runtimes, and which differences are alike."""

import re
from dataclasses import dataclass

TOLERANCE = 2e-3  # relative; half precision is among the data


@dataclass(frozen=True)
class Signature:
    """What a difference is, without the numbers of one schedule."""

    family: str
    operation: str
    place: str  # where in the answer: a kernel's argument, a result, an error
    what: str  # what the runtimes say there, without their numbers
    runtimes: str  # which of them agree: "0.25 = 0.26, 0.27"
    slides: bool  # whether a layer of the schedule's cache has a window of its own
    flashinfer: bool = False  # whether its kernels are called as FlashInfer's are

    def line(self):
        family = self.family + (" with FlashInfer's kernels" if self.flashinfer else "")
        where = " where a layer slides" if self.slides else ""
        return (f"{family}: {self.operation}: {self.place}: {self.what} "
                f"[{self.runtimes}]{where}")


def slides(config):
    """Whether a layer has a sliding window of its own (attention kind 3)."""
    return 3 in config.get("kinds", []) or config.get("artifact") == "sliding"


def differences(schedule, answers):
    """{signature: index of the operation}, from `answers` by release, in the order of their finding.

    What follows from an earlier difference is not a difference: after an operation that
    one runtime refused and another did not, their states are no longer the same; and where
    kernels compute, the first difference reaches all that comes after it.
    """
    found = {}
    releases = list(answers)
    operations = [["create"], *schedule["ops"]]
    for index in range(min(len(a) for a in answers.values())):
        at = [answers[r][index] for r in releases]
        if all(same(at[0], other) for other in at[1:]):
            continue
        name = str(operations[min(index, len(operations) - 1)][0])
        for place, what, partition in explain(at, releases):
            signature = Signature(schedule["family"], name, place, what, partition,
                                  slides(schedule["config"]),
                                  schedule["config"].get("tag") == "flashinfer")
            found.setdefault(signature, index)
        outcomes = {(a.get("error") is None, a.get("ended")) for a in at}
        if len(outcomes) > 1 or schedule["config"].get("real"):
            break
    return found


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is float or type(b) is float:
        if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
            return False
        return a == b or a != a and b != b or abs(a - b) <= TOLERANCE * max(abs(a), abs(b), 1e-2)
    return type(a) is type(b) and a == b


def explain(at, releases):
    """Where in one operation's answers the runtimes part: (place, what, who agrees with whom)."""
    ends = [a.get("ended") for a in at]
    if any(ends):
        return [("process", tell(ends), classes(ends, releases))]
    errors = [a.get("error") for a in at]
    if len(set(errors)) > 1:
        return [("error", tell(errors), classes(errors, releases))]
    found = []
    names = [[call[0] for call in a.get("calls", [])] for a in at]
    if len({tuple(n) for n in names}) > 1:
        said = [" ".join(n) or "none" for n in names]
        found.append(("kernels called", tell(said), classes(said, releases)))
    else:
        for number, name in enumerate(names[0]):
            arguments = [a["calls"][number][1] for a in at]
            if len({len(a) for a in arguments}) > 1:
                counts = [f"{len(a)} arguments" for a in arguments]
                found.append((name, " | ".join(dict.fromkeys(counts)), classes(counts, releases)))
                continue
            for key in sorted(set().union(*arguments)):
                values = [a.get(key, "not passed") for a in arguments]
                if not all(same(values[0], v) for v in values[1:]):
                    found.append((f"{name}({key})", kinds(values), classes(values, releases)))
    values = [a.get("ok") for a in at]
    if not all(same(values[0], v) for v in values[1:]):
        found.append(("result", kinds(values), classes(values, releases)))
    return found


def tell(said):
    """What each says, numbers and names of one schedule taken out."""
    distinct = []
    for value in said:
        text = "works" if value is None else re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "N", str(value))
        if text not in distinct:
            distinct.append(text)
    return " | ".join(distinct)


def kinds(values):
    """How values differ: in what they are, in shape or in contents."""
    shapes = {str((type(v).__name__, v.get("dtype"), v.get("shape")) if isinstance(v, dict)
                  else type(v).__name__) for v in values}
    if len(shapes) > 1:
        if all(isinstance(v, dict) and "shape" in v for v in values):
            return "other shape"
        return "other kind"
    if all(isinstance(v, (bool, int, float)) for v in values):
        return "other number"
    return "other contents"


def classes(values, releases):
    groups = []
    for value, release in zip(values, releases):
        for group in groups:
            if same(group[0], value):
                group[1].append(release)
                break
        else:
            groups.append((value, [release]))
    return ", ".join(" = ".join(group[1]) for group in groups)
