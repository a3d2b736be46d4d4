"""How Sphinx builds the site: `make docs`. The sources are the Markdown files of the whole project.

Their root is the project's, not this folder: so the README, CONTRIBUTING and the examples are pages, too,
and a link between two files is the same on a code host and on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dezero import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent

project = "dezero"
author = "the authors of dezero"
release = version = __version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**", "examples/**.md"]
include_patterns += ["tests/mutation/README.md"]
exclude_patterns = [".*", "build", "dist", "dezero", "benchmarks", "examples/ports/rust/target"]
nitpicky = False  # docstrings name types of NumPy, whose inventory is on the network

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# Docstrings write `name` as on a code host, where it is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"dezero {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]  # the page at the root of the site leads to the home page
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_last_updated_fmt = None  # else each build differs
pygments_style = "friendly"
pygments_dark_style = "monokai"

OUTWARD = re.compile(r"\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")


def link_sources(app: Sphinx, name: str, source: list[str]) -> None:
    """Leads links to a module of dezero to its source on the site; those to folders show the name."""
    here = (ROOT / name).parent

    def link(found: re.Match[str]) -> str:
        target = (here / found[1]).resolve()
        path = target.relative_to(ROOT)
        if target.is_dir():
            raise ValueError(f"{name}: a link to the folder {path}; expected one to a file in it")
        if path.suffix != ".py" or path.parts[0] != "dezero":
            return found[0]
        module = path.with_suffix("").as_posix().removesuffix("/__init__")
        up = "../" * name.count("/")
        return f"]({up}_modules/{module}.html)"

    source[0] = OUTWARD.sub(link, source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", link_sources)
