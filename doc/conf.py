"""Sphinx configuration."""

import skmaf

project = "skmaf"
author = "skmaf developers"
copyright = author
version = skmaf.__version__
release = version

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
]
plot_formats = ["png"]
plot_html_show_formats = False
plot_html_show_source_link = False
autosummary_generate = True
numpydoc_show_class_members = False
default_role = "literal"
exclude_patterns = ["_build"]
# methods that come from scikit-learn's classes refer to pages of scikit-learn's manual
suppress_warnings = ["ref.ref"]
html_theme = "alabaster"
