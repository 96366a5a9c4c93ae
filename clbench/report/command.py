"""The command that makes a row's runs again."""

import re
import shlex
from collections.abc import Sequence

from clbench.record import RunRecord
from clbench.spec import flat


def command(records: Sequence[RunRecord]) -> str:
    """One shell command for the runs of a set-up, every choice spelled out.

    A value that the command line cannot say (none, or a list) is left to its default.
    """
    record = records[0]
    seeds = [each.seed for each in records]
    words = [*_verb(record, seeds), "--source", record.stream.source]
    for option, table in (
        ("--protocol", record.stream.protocol),
        ("--set", record.hyperparameters),
    ):
        for key, value in flat(table):
            if isinstance(value, str | int | float):
                words += [option, f"{key}={_spelled(value)}"]
    words += ["--form", record.form, "--device", record.device, "--threads", str(record.threads)]
    words += ["--bf16"] * (record.precision == "bfloat16") + ["--no-carry"] * (not record.carry)
    words += ["--probe-every", str(record.probe_every)] if record.probe_every else []
    words += ["--relearn"] * bool(record.relearn)
    words += ["--layers", ",".join(record.layers)] if record.layers else []
    return _lines(words)


def _lines(words: Sequence[str]) -> str:
    """An option a line, as a shell reads it."""
    breaks = (" \\\n  " if word.startswith("--") else " " for word in words)
    return "".join(gap + shlex.quote(word) for gap, word in zip(breaks, words, strict=True)).strip()


def _verb(record: RunRecord, seeds: Sequence[int]) -> list[str]:
    preset = re.sub(r"\+\w+=[^+]*", "", record.stream.name)  # what differs is spelled out below
    names = [record.method.name, preset]
    if len(seeds) == 1:
        return ["clbench", "run", *names, "--seed", str(seeds[0])]
    return ["clbench", "sweep", *names, "--seeds", ",".join(map(str, seeds))]


def _spelled(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
