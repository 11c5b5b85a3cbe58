"""Sphinx configuration."""

import skmaf

project = "skmaf"
author = "skmaf developers"
copyright = author
release = version = skmaf.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
]
plot_formats = ["png"]
plot_html_show_formats = plot_html_show_source_link = False
autosummary_generate = True
numpydoc_show_class_members = False
default_role = "literal"
exclude_patterns = ["_build"]
suppress_warnings = [
    "ref.ref"
]  # docstrings that scikit-learn's classes give refer to pages of its own
html_theme = "alabaster"
