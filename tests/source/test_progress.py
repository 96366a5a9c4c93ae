import io

import pytest
from rich.console import Console

from clbench.source import progress


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("delay", [-1.0, 60.0])
def test_a_bar_comes_up_on_a_terminal_once_it_takes_long(
    terminal: bool, delay: float, monkeypatch: pytest.MonkeyPatch
):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    assert list(progress.track(range(3), 3, "decoding", delay)) == [0, 1, 2]
    assert ("decoding" in shown.getvalue()) == (terminal and delay < 0)
