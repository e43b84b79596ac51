"""The smallest schedule that still shows a difference."""

from importlib import import_module

TRIES = 250


def shrink(schedule, signature, answers_of):
    """A smaller schedule with the same signature, and its answers; `answers_of` runs one."""
    from compare import differences

    tries = 0

    def shows(candidate):
        nonlocal tries
        tries += 1
        answers = answers_of(candidate)
        return answers if signature in differences(candidate, answers) else None

    best, best_answers = schedule, shows(schedule)
    if best_answers is None:
        return None  # not the same twice: the caller says so
    progress = True
    while progress and tries < TRIES:
        progress = False
        for candidate in smaller(best):
            if tries >= TRIES:
                break
            answers = shows(candidate)
            if answers is not None:
                best, best_answers, progress = candidate, answers, True
                break
    return best, best_answers


def smaller(schedule):
    """Candidates, the boldest first."""
    family = import_module("families." + schedule["family"])
    ops = schedule["ops"]
    size = len(ops) // 2
    while size >= 1:
        for start in range(len(ops) - size, -1, -size):
            yield {**schedule, "ops": ops[:start] + ops[start + size:]}
        size //= 2
    for config in family.simpler(schedule["config"]):
        yield {**schedule, "config": config}
    for index, op in enumerate(ops):
        for less in family.simpler_op(op):
            yield {**schedule, "ops": ops[:index] + [less] + ops[index + 1:]}
