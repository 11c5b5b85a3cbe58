"""What all Displays share: matplotlib, figures, and colours that suit a light or dark picture."""

from typing import Any

import numpy as np

MAX_NAME = 22  # letters of a name or a category that a picture shows
N_COLOURS = 6  # of the cycle, among which a second one is chosen


def pyplot(caller: str) -> Any:
    """Return matplotlib's pyplot, for what draws with it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{caller} needs matplotlib: pip install skmaf[plot]") from error
    return plt


def one_axes(ax: Any, caller: str, figsize: tuple[float, float] | None = None) -> Any:
    """Return the axes to draw on: those given, or those of a new figure."""
    plt = pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def grid_of_axes(
    ax: Any, caller: str, shape: tuple[int, int], panel_size: tuple[float, float]
) -> tuple[Any, Any]:
    """Return a grid of axes, and the axes that it takes the place of.

    Parameters
    ----------
    ax : Axes, array of Axes or None
        Axes are replaced by the grid, unless that is of one panel; an array is the grid itself;
        None makes a new figure.
    caller : str
        What draws.
    shape : tuple (n_rows, n_columns)
    panel_size : tuple of float
        Width and height, in inches, of the axes of a new figure.

    Returns
    -------
    axes : ndarray of Axes of that shape
    bounding_ax : Axes or None

    Raises
    ------
    ValueError
        If an array has another shape, or axes have no place in a grid that could be divided.
    """
    plt = pyplot(caller)
    n_rows, n_columns = shape
    if ax is None:
        figsize = (panel_size[0] * n_columns, panel_size[1] * n_rows)
        if shape == (1, 1):
            return np.array([[one_axes(None, caller)]]), None
        _, axes = plt.subplots(*shape, figsize=figsize, squeeze=False, layout="constrained")
        return axes, None
    if isinstance(ax, (list, np.ndarray)):
        axes = np.asarray(ax)
        if axes.size != n_rows * n_columns:
            raise ValueError(
                f"ax holds {axes.size} axes, and the picture needs {n_rows} by {n_columns}: give "
                f"those of plt.subplots({n_rows}, {n_columns}), or a single one to be divided."
            )
        return axes.reshape(shape), None
    if shape == (1, 1):
        return np.array([[ax]]), None
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("ax cannot be divided: give axes of plt.subplots, or None.")
    ax.set_axis_off()
    return place.subgridspec(*shape).subplots(squeeze=False), ax


def styled(defaults: dict, kwargs: dict | None, artist: Any) -> dict:
    """Return the properties of an artist: a user's own, in short or long names, over others."""
    from matplotlib.cbook import normalize_kwargs

    own = normalize_kwargs(kwargs or {}, artist)
    if "c" in own:  # of dots: matplotlib takes it for another property
        defaults = {name: value for name, value in defaults.items() if name != "color"}
    return {**normalize_kwargs(defaults, artist), **own}


def foreground(ax: Any) -> Any:
    """Return the colour of text on axes: dark on a light background, light on a dark one."""
    return ax.xaxis.label.get_color()


def background(ax: Any) -> tuple[float, float, float]:
    """Return the colour behind what is drawn on axes."""
    from matplotlib.colors import to_rgba

    colours = [to_rgba(ax.get_facecolor()), to_rgba(ax.figure.get_facecolor()), (1, 1, 1, 1)]
    return next(colour[:3] for colour in colours if colour[3] > 0)


def fading_map(ax: Any, colour: Any = "C0") -> Any:
    """Return a map of colours from the background of axes to a colour."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("fading", [background(ax), colour])


def second_colour() -> Any:
    """Return the colour of the cycle that is told best from the first one, which is "C0"."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    colours = [to_rgb(f"C{i}") for i in range(min(len(rcParams["axes.prop_cycle"]), N_COLOURS))]
    distances = [np.linalg.norm(np.subtract(colour, colours[0])) for colour in colours]
    return colours[int(np.argmax(distances))]


def dots(ax: Any, n_dots: int) -> dict:
    """Return the properties of dots that are seen on any colour, and where they are many."""
    size = float(np.clip(4000 / max(n_dots, 1), 6, 24))
    return {
        "s": size,
        "color": foreground(ax),
        "edgecolors": [background(ax)],
        "linewidths": 0.4,
        "alpha": 0.7,
    }


def plain(text: Any, width: int = MAX_NAME) -> str:
    """Return text as a picture is to show it: on one line, not too long, without mathematics."""
    line = " ".join(str(text).split())
    if len(line) > width:
        # the end often tells apart what begins alike
        kept = width - 1
        line = f"{line[: kept - kept // 3]}…{line[-(kept // 3) :]}"
    return line.replace("$", r"\$")


def percent(share: float) -> str:
    """Return a share as text, with two digits."""
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"
