"""How Sphinx builds the site: `make docs`. The sources are the Markdown files of the whole project.

Their root is the project's, not this folder: so the README, CONTRIBUTING and the examples are pages,
too, and a link between two files is the same on a code host and on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.domains.python import PythonDomain

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
viewcode_follow_imported_members = False  # else sources link to where names are imported

html_theme = "furo"
html_title = f"dezero {version}"
html_static_path = ["static"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_extra_path = ["extra"]  # the page at the root of the site leads to the home page
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_last_updated_fmt = None  # else each build differs
pygments_style = "friendly"
pygments_dark_style = "monokai"

NAVIGATION = {
    "Five minutes": {
        "start-ci": "Your CI checks derivatives",
        "start-port": "You port an autograd",
        "start-types": "You import it with types",
        "../README": "The library and the command",
    },
    "Verify": {
        "verify-function": "Your own function",
        "verify-engine": "Your own engine",
        "ports": "A port",
        "ci": "In CI",
        "campaigns": "Long campaigns",
        "laws": "Laws and tolerance",
    },
    "Know": {
        "cycles": "Why there are no cycles",
        "specification": "Specification",
        "operations": "Operations",
        "api/index": "API",
        "migrating": "Coming from DeZero",
        "limits": "Limits",
    },
    "Evidence": {
        "figures": "Figures",
        "strength": "Planted faults",
        "proofs": "Proofs",
        "mutants": "Mutants",
        "speed": "Speed",
        "found": "Found in other autograds",
    },
    "Project": {
        "decisions": "Decisions",
        "../CONTRIBUTING": "Contributing",
        "../CHANGELOG": "Changelog",
        "../examples/README": "Examples",
        "../examples/ports/js/README": "A port to JavaScript",
        "../examples/ports/rust/README": "A port to Rust",
        "../examples/ports/c/README": "A port to C",
        "../tests/mutation/README": "How mutants are made",
    },
}
"""The sidebar: its parts, and their pages. On a code host it would be in the way; so it is here."""

LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?!https?:|#)([^)\s#]+)\)")
IN_THE_API = {
    module
    for page in (ROOT / "docs" / "api").glob("*.rst")
    for module in re.findall(r"automodule:: (\S+)", page.read_text("utf-8"))
}
"""The modules of which the site shows the source."""


def link_sources(app: Sphinx, name: str, source: list[str]) -> None:
    """Leads links to modules to their sources on the site; of links to folders the words remain.

    A link to any other file lets Sphinx put a copy of it on the site.
    """

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        path = (ROOT / name).parent.joinpath(target).resolve()
        if path.is_dir():
            return words
        module = path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
        if path.suffix != ".py" or module.replace("/", ".") not in IN_THE_API:
            return found[0]
        return f'<a href="{"../" * name.count("/")}_modules/{module}.html">{words}</a>'

    source[0] = LINK.sub(link, source[0])


def escape_bars(
    app: Sphinx, kind: str, name: str, what: object, options: object, lines: list[str]
) -> None:
    """Says that |x| is mathematics, and no substitution."""
    lines[:] = [re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or r"\|", line) for line in lines]


def add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Adds the sidebar to the home page."""
    if name == root_doc:
        for caption, pages in NAVIGATION.items():
            listed = "\n".join(f"{title} <{page}>" for page, title in pages.items())
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    for directive in PythonDomain.directives.values():
        for field in getattr(directive, "doc_field_types", ()):
            if field.name == "variable":  # a class has attributes; a Variable is another thing here
                field.label = "Attributes"
    app.connect("source-read", link_sources)
    app.connect("source-read", add_navigation)
    app.connect("autodoc-process-docstring", escape_bars)
