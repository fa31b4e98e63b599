"""What each Linkt task is called."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from linkt_pipeline.plain_text import trimmed

TAIL = 6  # digits of the id that tell two tasks of one name apart


def task_names(
    named: Mapping[str, str | None], executed: Iterable[tuple[str, str]], ran: Iterable[str]
) -> dict[str, str]:
    """The name of each task that is known, ran or was executed.

    Args:
        named: the name in Linkt of each landed task.
        executed: task id and entry of tasks.yaml of each execution that started a run, oldest first.
        ran: task ids of runs.
    """
    entries: dict[str, list[str]] = defaultdict(list)
    for task_id, key in executed:
        entries[task_id].append(key)
    known = {*named, *entries, *ran}
    names = {task_id: _name(task_id, entries[task_id], trimmed(named.get(task_id)) or "") for task_id in known}
    bearers: dict[str, int] = defaultdict(int)
    for name in names.values():
        bearers[name] += 1
    return {task_id: f"{name} ({task_id[-TAIL:]})" if bearers[name] > 1 else name for task_id, name in names.items()}


def _name(task_id: str, entries: list[str], in_linkt: str) -> str:
    if len(set(entries)) == 1:
        return entries[0]
    return in_linkt or (entries[-1] if entries else task_id)
