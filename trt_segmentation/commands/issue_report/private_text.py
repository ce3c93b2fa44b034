# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Remove private words of this machine from a text: user, host, folders and passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import platform
import pwd
import re
import socket
import sys
from typing import TypeVar

from ...installed.files import user_cache_folder

Tree = TypeVar('Tree')

SYSTEM = ('bin', 'dev', 'etc', 'lib', 'lib32', 'lib64', 'proc', 'sbin', 'sys', 'usr', 'opt/ros',
          'opt/nvidia')
"""Folders whose paths stay in the text, because every machine has them."""
ORDINARY = frozenset([
    'admin', 'administrator', 'build', 'builder', 'computer', 'debian', 'default', 'docker',
    'jetson', 'linux', 'localhost', 'none', 'nobody', 'nvidia', 'orin', 'robot', 'root', 'ros',
    'test', 'ubuntu', 'user', 'xavier'])
"""Names of users and hosts that are the same on many machines. Such a name stays in the text."""
SHORTEST_NAME, SHORTEST_SECRET = 3, 6
"""A name or a secret value with fewer characters stays in the text, because ordinary text often
contains such short words."""
_SECRET_NAME = re.compile(r'KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH', re.I)
_KEPT_FILE = re.compile(r'[\w.+-]+\.(?:py|so[\d.]*)')
_URL_USER = re.compile(r'(\w://)[^\s/@"\']+@')
_GPU_ID = re.compile(r'\b(GPU|MIG)-[0-9a-f]{8}-[0-9a-f-]+')
_QUOTED_PATH = re.compile(r'(?<=["\'])/(?!/)[^"\'\n]*(?=["\'])')
_PATH = re.compile(r'(?<![\w<>./~])/(?!/)[^\s"\'<>:;,()\[\]{}|*?]+')
_PACKAGES = re.compile(r'/((?:site|dist)-packages/.*)')


@dataclass(frozen=True)
class PrivateWords:
    """The private words of a machine. Each mapping goes from a word to its replacement.

    :param folders: paths of folders. If a path begins with a folder, only the folder is replaced.
    :param words: names of users and hosts.
    :param secrets: passwords and other secret values of environment variables.
    :param root: root of the file system. Only tests give another folder.
    """

    folders: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path('/')

    def hide(self, text: str) -> str:
        """Return the text without private words.

        A path outside the folders of :data:`SYSTEM` becomes ``<path>``. If the path names a
        Python file or a shared library, the file name stays. Other words that begin with ``/``,
        such as the names of ONNX nodes and topics, stay in the text.
        """
        for secret, replacement in _longest_first(self.secrets):
            text = text.replace(secret, replacement)
        text = _GPU_ID.sub(r'\1-<id>', _URL_USER.sub(r'\1<user>@', text))
        for folder, replacement in _longest_first(self.folders):
            text = re.sub(rf'{re.escape(folder)}(?![\w.+-])', replacement, text)
        for pattern in (_QUOTED_PATH, _PATH):
            text = pattern.sub(lambda match: self._hide_path(match[0]), text)
        for word, replacement in _longest_first(self.words):
            text = re.sub(rf'(?<!\w){re.escape(word)}(?!\w)', replacement, text, flags=re.I)
        return text

    def hide_all(self, tree: Tree) -> Tree:
        """Return a copy of a JSON tree without private words. The keys are not changed."""
        found: object = tree
        if isinstance(tree, str):
            found = self.hide(tree)
        elif isinstance(tree, Mapping):
            found = {key: self.hide_all(value) for key, value in tree.items()}
        elif isinstance(tree, (list, tuple)):
            found = [self.hide_all(value) for value in tree]
        return found    # type: ignore[return-value]

    def _hide_path(self, path: str) -> str:
        top = path.strip('/').partition('/')[0]
        is_system = any(path == f'/{name}' or path.startswith(f'/{name}/') for name in SYSTEM)
        if is_system or not top or not (self.root / top).is_dir():
            return path
        if packages := _PACKAGES.search(path):
            return f'<path>/{packages[1]}'
        name = path.rstrip('/').rpartition('/')[2]
        return f'<path>/{name}' if _KEPT_FILE.fullmatch(name) else '<path>'


def words_of_this_machine() -> PrivateWords:
    """Collect the names of user and host, the folders, and the secrets in the environment."""
    return PrivateWords(_folders(), _names(), _secrets())


def _folders() -> dict[str, str]:
    known = [(str(Path(__file__).parents[2]), '<trt_segmentation>'),
             (str(user_cache_folder()), '<cache>'), (sys.prefix, '<python>'),
             (sys.base_prefix, '<python>')]
    found: dict[str, str] = {}
    for path, replacement in known:
        for variant in (path, os.path.realpath(path)):
            found.setdefault(variant, replacement)
    return {path: name for path, name in found.items()
            if path.count('/') > 1 and not path.startswith('/usr/')}


def _names() -> dict[str, str]:
    users = [os.environ.get(name, '') for name in ('USER', 'LOGNAME', 'USERNAME', 'SUDO_USER')]
    homes = [os.path.expanduser('~'), os.environ.get('HOME', '')]
    try:
        account = pwd.getpwuid(os.getuid())
        users += [account.pw_name, account.pw_gecos.partition(',')[0]]
        homes.append(account.pw_dir)
    except KeyError:    # a container may run as a user without a name
        pass
    users += [Path(home).name for home in homes]
    hosts = [socket.gethostname(), platform.node(), os.environ.get('HOSTNAME', '')]
    hosts += [host.partition('.')[0] for host in hosts]
    found = {name: '<user>' for name in users} | {name: '<host>' for name in hosts}
    return {name: shown for name, shown in found.items()
            if len(name) >= SHORTEST_NAME and name.lower() not in ORDINARY}


def _secrets() -> dict[str, str]:
    return {value: f'<{name}>' for name, value in os.environ.items()
            if _SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET
            and not value.isdigit()}


def _longest_first(words: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(words.items(), key=lambda item: -len(item[0]))
