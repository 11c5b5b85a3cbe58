"""What all Displays have in common: axes, styles, nothing cut off, and matplotlib only to draw."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.neighbors import KernelDensity

import skmaf
from skmaf import (
    ConditionalDisplay,
    ConditionalMAFDensity,
    DensityDisplay,
    DensityOutlierDetector,
    ExplanationDisplay,
    PairDisplay,
    PITDisplay,
    ScoreDisplay,
    TrainingDisplay,
)

DISPLAYS = [name for name in skmaf.__all__ if name.endswith("Display")]


@pytest.fixture(scope="module")
def draw(flats, flats_density):
    """Draw each Display, of tables with categories, dates and missing cells where they can be."""
    iris = load_iris(as_frame=True).data
    detector = DensityOutlierDetector(KernelDensity(bandwidth=0.3), random_state=0).fit(iris)
    odd = iris.iloc[0].copy()
    odd["petal length (cm)"] = 6.0
    regressor = ConditionalMAFDensity(
        n_layers=2, hidden_layer_sizes=(8,), max_iter=2, early_stopping=False, random_state=0
    ).fit(flats.drop(columns="rooms"), flats["rooms"])
    few = {"n_samples": 100, "random_state": 0}
    makers = {
        "ConditionalDisplay": lambda ax: ConditionalDisplay.from_estimator(
            regressor, flats.drop(columns="rooms"), flats["rooms"], feature="since", ax=ax, **few
        ),
        "DensityDisplay": lambda ax: DensityDisplay.from_estimator(
            flats_density, flats, features=("since", "area"), ax=ax, **few
        ),
        "ExplanationDisplay": lambda ax: ExplanationDisplay.from_estimator(detector, odd, ax=ax),
        "PITDisplay": lambda ax: PITDisplay.from_estimator(
            flats_density, flats, random_state=0, ax=ax
        ),
        "PairDisplay": lambda ax: PairDisplay.from_estimator(
            flats_density, flats, features=["district", "area", "since"], ax=ax, **few
        ),
        "ScoreDisplay": lambda ax: ScoreDisplay.from_estimator(detector, iris, ax=ax),
        "TrainingDisplay": lambda ax: TrainingDisplay.from_estimator(flats_density, ax=ax),
    }

    def drawn(name, ax=None):
        return makers[name](ax)

    assert sorted(makers) == sorted(DISPLAYS)
    return drawn


def main_axes(display):
    return display.ax_ if hasattr(display, "ax_") else display.axes_.flat[0]


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_returns_the_display(pyplot, draw, name):
    display = draw(name)
    assert isinstance(display, getattr(skmaf, name))
    assert main_axes(display).figure is display.figure_
    again = display.plot()
    assert again is display and len(pyplot.get_fignums()) == 2


@pytest.mark.parametrize("name", DISPLAYS)
def test_axes_that_are_given_are_used(draw, name):
    """Those of a figure without pyplot, which opens no figure of its own."""
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    n_figures = len(pyplot.get_fignums())
    figure = Figure()
    ax = figure.subplots()
    display = draw(name, ax)
    used = display.ax_ if hasattr(display, "ax_") else display.bounding_ax_
    assert used is ax and display.figure_ is figure
    assert len(pyplot.get_fignums()) == n_figures


@pytest.mark.parametrize("name", DISPLAYS)
def test_a_second_drawing_on_the_same_axes_has_the_same_ends(pyplot, draw, name):
    """How many ticks there are depends on the room that the layout leaves."""
    display = draw(name)

    def ends():
        display.figure_.draw_without_rendering()
        axes = display.axes_.flat if hasattr(display, "axes_") else [display.ax_]
        labels = [[t.get_text() for t in ax.get_xticklabels()] for ax in axes if ax.axison]
        return [len(each) and each[-1] == "missing" for each in labels]

    before = ends()
    display.plot(display.axes_ if hasattr(display, "axes_") else display.ax_)
    assert ends() == before


def luminance(colour):
    from matplotlib.colors import to_rgb

    return np.dot([0.2126, 0.7152, 0.0722], to_rgb(colour))


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", DISPLAYS)
def test_text_and_lines_are_seen_on_any_background(pyplot, draw, name, style):
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    with pyplot.style.context(style):
        display = draw(name)
        display.figure_.draw_without_rendering()
        behind = luminance(display.figure_.get_facecolor())
        for text in display.figure_.findobj(Text):
            if text.get_visible() and text.get_text():
                assert abs(luminance(text.get_color()) - behind) > 0.5, text
        for line in display.figure_.findobj(Line2D):
            if line.get_visible() and line.get_linestyle() != "None":
                assert abs(luminance(line.get_color()) - behind) > 0.2, line


@pytest.mark.parametrize("name", DISPLAYS)
def test_nothing_is_cut_off(pyplot, draw, name):
    figure = draw(name).figure_
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 > -0.02 and box.y0 > -0.02
    assert box.x1 < width + 0.02 and box.y1 < height + 0.02


@pytest.mark.parametrize("name", DISPLAYS)
def test_settings_of_matplotlib_stay(pyplot, draw, name):
    before = dict(pyplot.rcParams)
    draw(name)
    assert dict(pyplot.rcParams) == before


@pytest.mark.parametrize("name", DISPLAYS)
def test_without_matplotlib_an_error_says_what_to_install(monkeypatch, pyplot, draw, name):
    display = draw(name)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError, match=rf"{name}.plot needs matplotlib: pip install skmaf\[plot"
    ):
        display.plot()
    with pytest.raises(
        ImportError, match=rf"{name}.from_\w+ needs matplotlib: pip install skmaf\["
    ):
        draw(name)


def test_matplotlib_is_imported_by_a_drawing_alone():
    code = (
        "import sys, skmaf\n"
        f"for name in {DISPLAYS}: getattr(skmaf, name)\n"
        "print('matplotlib' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_every_display_is_in_the_reference(request):
    doc = request.config.rootpath / "doc"
    listed = (doc / "api.rst").read_text(encoding="utf-8").split()
    page = (doc / "plotting.rst").read_text(encoding="utf-8")
    assert all(name in listed and f"`{name}`" in page for name in DISPLAYS)
