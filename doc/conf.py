"""Sphinx configuration."""

import warnings

import skmaf

project = "skmaf"
author = "skmaf developers"
copyright = author
version = skmaf.__version__
release = version

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
default_role = "py:obj"  # `name` is a link where such an object is documented, else code
exclude_patterns = ["_build", "_templates", "examples", "figures"]
templates_path = ["_templates"]
# methods that come from scikit-learn's classes refer to pages of scikit-learn's manual, and the
# functions that order the gallery are no part of what a page depends on
suppress_warnings = ["ref.ref", "config.cache"]

# a class has a page with all its methods, by _templates/autosummary/class.rst
autosummary_generate = True
autodoc_typehints = "none"  # docstrings tell types
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

plot_formats = [("png", 144)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"figure.dpi": 72, "font.size": 10}

# prompts and what is printed are not copied
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skmaf",),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "image_srcset": ["2x"],
    "remove_config_comments": True,
}
# plt.show() does nothing where no window can be opened
warnings.filterwarnings("ignore", message=".*non-interactive", category=UserWarning)

html_theme = "furo"  # the captions of the front page's groups are the side bar
html_title = "skmaf"
html_static_path = ["_static"]
html_css_files = ["skmaf.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
