# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of Sphinx. With them, ./dev docs builds the pages of this folder into build/docs."""

from pathlib import Path
import sys
import xml.etree.ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that autodoc can import the package

_package = ET.parse(ROOT / 'package.xml').getroot()
project = _package.findtext('name')
author = copyright = _package.findtext('author')
release = version = _package.findtext('version')

# myst_nb reads Markdown as myst_parser does, and executes notebooks.
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx_copybutton']
exclude_patterns = ['build']
myst_heading_anchors = 3
nb_execution_mode = 'force'
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 100
nb_render_image_options = {'width': '640px'}
smartquotes = False  # they would turn the option --out into a dash and a word

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True}
# Names of other projects have no link, because the build uses no network.
nitpick_ignore_regex = [('py:.*', r'(numpy|np|npt|pathlib|collections|Path|Any|Sequence|Mapping'
                                  r'|Callable)(\..*)?')]

html_theme = 'furo'
html_title = f'{project} {release}'
html_static_path = ['_static']
html_css_files = ['site.css']
html_show_sphinx = False
html_copy_source = False
html_theme_options = {'navigation_with_keys': True}
