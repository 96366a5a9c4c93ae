"""How pictures look: a colour, symbol and dash for each method; a light and a dark template.

The colours are those of Okabe and Ito (2008), which colour-blind readers tell apart, without
black and with the light ones darkened: each has a contrast of 3 or more to both backgrounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#C56A9C", "#A88600", "#2B8FD6", "#8B5FD0")
GREY = "#7F8794"
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "pentagon")
CONTROL_SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open")
DASHES = ("solid", "dashdot", "longdash")
CONTROL_DASHES = ("dot", "dash", "longdashdot")
GAINED, REGAINED, LOST = "#2B8FD6", "#C98A2B", "#C2410C"
BACKGROUNDS = {"light": "#ffffff", "dark": "#171a20"}
INK = {"light": ("#1d2330", "#5b6472", "#e3e6eb"), "dark": ("#e8eaee", "#a3abb8", "#323843")}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True)
class Style:
    """How a method is drawn, everywhere."""

    colour: str
    symbol: str
    dash: str

    @property
    def fill(self) -> str:
        """The colour of a band."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.13)"


def styles(labels: Sequence[tuple[str, bool]]) -> dict[str, Style]:
    """A style for each (label, control), by label; the same labels always get the same ones."""
    methods = sorted({label for label, control in labels if not control})
    controls = sorted({label for label, control in labels if control} - set(methods))
    own = {label: _method_style(i) for i, label in enumerate(methods)}
    return own | {label: _control_style(i) for i, label in enumerate(controls)}


def template(mode: str) -> dict[str, Any]:
    """A plotly template: `light` or `dark`."""
    ink, muted, grid = INK[mode]
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": muted,
        "zeroline": False,
        "tickfont": {"color": muted, "size": 12},
        "title": {"font": {"color": muted, "size": 13}, "standoff": 10},
        "automargin": True,
    }
    return {
        "layout": {
            "font": {"family": FONT, "color": ink, "size": 13},
            "paper_bgcolor": BACKGROUNDS[mode],
            "plot_bgcolor": BACKGROUNDS[mode],
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": BACKGROUNDS[mode],
                "bordercolor": muted,
                "font": {"color": ink, "family": FONT},
                "align": "left",
            },
            "margin": {"l": 56, "r": 24, "t": 24, "b": 48},
        }
    }


def _method_style(index: int) -> Style:
    # coprime lengths: colour, symbol and dash together repeat only after 147 methods
    lap = index // len(COLOURS)
    symbol = SYMBOLS[(index + lap) % len(SYMBOLS)]
    return Style(COLOURS[index % len(COLOURS)], symbol, DASHES[lap % len(DASHES)])


def _control_style(index: int) -> Style:
    symbol = CONTROL_SYMBOLS[index % len(CONTROL_SYMBOLS)]
    return Style(GREY, symbol, CONTROL_DASHES[index % len(CONTROL_DASHES)])
