# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of Sphinx. ./dev docs builds the pages of this folder into build/docs."""

from pathlib import Path
import sys
import xml.etree.ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # autodoc imports the package from here

_package = ET.parse(ROOT / 'package.xml').getroot()
project = _package.findtext('name')
author = copyright = _package.findtext('author')
release = version = _package.findtext('version')

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx_copybutton']
exclude_patterns = ['build']
myst_heading_anchors = 3
smartquotes = False  # they would turn the option --out into a dash and a word

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True}
# The build uses no network, so it has no inventories of other projects to resolve these names.
nitpick_ignore_regex = [('py:.*', r'(numpy|np|npt|pathlib|collections|Path|Any|Sequence|Mapping'
                                  r'|Callable)(\..*)?')]

html_theme = 'furo'
html_title = f'{project} {release}'
html_static_path = ['_static']
html_css_files = ['site.css']
html_show_sphinx = False
html_copy_source = False
html_theme_options = {'navigation_with_keys': True}
