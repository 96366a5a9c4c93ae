"""What `clbench audit-metrics` prints."""

import json
from pathlib import Path

from rich.box import HORIZONTALS
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clbench.audit.matrix import HONEST, Matrix, Verdict
from clbench.audit.playing import audit
from clbench.report.cells import plain
from clbench.report.section import families, title
from clbench.settings import Settings
from clbench.sweep import StreamChoice

SHOWN: dict[Verdict, tuple[str, str]] = {
    "caught": ("caught", "green"),
    "missed": ("missed", "yellow"),
    "not measured": ("–", "dim"),
}
MEANING = {
    "untouched": "nothing is changed, though work is done",
    "head only": "the head alone is edited, until forget accuracy is the oracles'",
    "half": "half of the request is met",
    "destroyed": "all is forgotten, what was to be kept with it",
    "again": "retrained, and then taught again what was to go",
    HONEST: "retraining with other seeds: what catches it gives a false alarm",
}


def print_audit(
    stream: str,
    seeds: int,
    root: Path,
    metrics: str | None,
    processes: int,
    settings: Settings | None = None,
    *,
    as_json: bool,
) -> None:
    """Play the planted faults, score them, and print which scores catch which."""
    names = None if metrics in (None, "all") else metrics.split(",")
    found = audit(StreamChoice(stream), seeds, root, processes, settings, names)
    if as_json:
        print(json.dumps(found.record(), indent=2, allow_nan=False))
        return
    console = Console()
    console.print(Text(f"planted faults on {plain(found.stream)}", style="bold"))
    console.print(detection_table(found))
    console.print(Text(legend(found), style="dim"))


def detection_table(found: Matrix) -> Table:
    """Metrics as rows, by family, faults as columns."""
    table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("score", overflow="fold", vertical="bottom")
    for fault in found.scores:
        table.add_column(fault, vertical="bottom", min_width=len("missed"))
    for members in families(found.metrics).values():
        for metric in members:
            verdicts = [found.verdict(fault, metric.id) for fault in found.scores]
            cells = [_cell(fault, each) for fault, each in zip(found.scores, verdicts, strict=True)]
            table.add_row(title(metric), *cells)
        table.add_section()
    return table


def legend(found: Matrix) -> str:
    """What the columns are, and what caught means."""
    faults = "; ".join(f"{fault}: {MEANING[fault]}" for fault in found.scores)
    return (
        f"{faults}. {found.seeds} models a fault, {found.oracles} oracles. Caught: farther from "
        "the null, oracles against oracles, than chance takes it 99 % of the time."
    )


def _cell(fault: str, verdict: Verdict) -> Text:
    words, style = SHOWN[verdict]
    if fault == HONEST:
        style = {"green": "red", "yellow": "green"}.get(style, style)
    return Text(words, style=style)
