# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Files of the wheel, versions, dependencies and declared imports."""

from __future__ import annotations

import ast
from configparser import ConfigParser
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile

import pytest
import yaml

from trt_segmentation.installed.files import share_path

ROOT = Path(__file__).parents[1]
ROSDEP = {'cv2': 'python3-opencv', 'filelock': 'python3-filelock',
          # rosbags depends on lz4
          'lz4': 'python3-rosbags-pip',
          'matplotlib': 'python3-matplotlib', 'numpy': 'python3-numpy',
          'onnxruntime': 'python3-onnxruntime-pip', 'PIL': 'python3-pil', 'rich': 'python3-rich',
          'rosbags': 'python3-rosbags-pip', 'tf2_ros': 'tf2_ros_py',
          'yaml': 'python3-yaml'}
"""The rosdep key of each import that has another name than its key."""

OPTIONAL = {'av', 'cuda', 'fsspec', 'nvtx', 'onnx', 'onnxslim', 'plotly', 'pyarrow', 'pycocotools',
            'ray', 'rerun', 'tensorrt', 'tensorrt_rtx', 'torch'}
"""Imports that only some commands or machines need. If one is missing, an error names it."""

SHARED = ['package.xml', 'launch/seg.launch.py', 'launch/demo.launch.py',
          'launch/nav2.launch.py', 'config/seg.yaml', 'config/fastdds.xml',
          'config/models/street.yaml', 'config/maps/cityscapes.yaml',
          'config/maps/ade20k.yaml', 'resource/street.onnx']


def package_xml() -> ET.Element:
    return ET.parse(ROOT / 'package.xml').getroot()


def test_versions_agree() -> None:
    version = str(package_xml().findtext('version'))
    assert re.fullmatch(r'\d+\.\d+\.\d+', version)
    assert re.findall(r"^    version='(.*)',$", text('setup.py'), re.M) == [version]
    released, forthcoming = changelog_sections()
    if forthcoming:  # the text of Forthcoming names the next version
        assert version in forthcoming
    if released:
        assert max(released, key=numbers) == released[0]
        assert numbers(released[0]) <= numbers(version)
    assert version in released or forthcoming


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding='utf-8')


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split('.')]


def changelog_sections() -> tuple[list[str], str]:
    """Return the released versions, newest first, and the text of Forthcoming."""
    released, forthcoming = [], ''
    parts = re.split(r'^(\S.*)\n-{5,}\n', text('CHANGELOG.rst'), flags=re.M)
    assert len(parts) > 1
    for title, body in zip(parts[1::2], parts[2::2]):
        assert '\n    ' not in body and '::\n' not in body, 'REP-132 forbids literal blocks'
        if title == 'Forthcoming':
            forthcoming = body
        else:
            found = re.fullmatch(r'(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)', title)
            assert found, f'{title!r} is neither Forthcoming nor VERSION (YYYY-MM-DD)'
            released.append(found[1])
    return released, forthcoming


def test_rosdep_knows_every_dependency() -> None:
    known = yaml.safe_load(text('test/rosdep_keys.yaml'))
    keys = {str(tag.text) for tag in package_xml() if tag.tag.endswith('depend')}
    assert sorted(keys) == sorted(known['system'] + known['pip'] + known['ros'])
    # RELEASING.md names each key that bloom refuses
    assert all(key.endswith('-pip') and f'`{key}`' in text('RELEASING.md')
               for key in known['pip'])
    assert not [key for key in known['system'] + known['ros'] if key.endswith('-pip')]


def test_packages_unknown_to_rosdep_are_an_extra_and_in_the_docs() -> None:
    missing = yaml.safe_load(text('test/rosdep_keys.yaml'))['no_key']
    (extra,) = re.findall(r"'tensorrt': \[(.*)\]", text('setup.py'))
    assert set(missing) == set(re.findall("'(.*?)'", extra)) - {'filelock'}
    assert f'pip install {" ".join(sorted(missing))}' in text('docs/tensorrt.md')
    assert all(name in text('package.xml') for name in missing)


@pytest.mark.parametrize('name', ['QUALITY_DECLARATION.md', 'RELEASING.md'])
def test_links_of_the_maintainers_documents_exist(name: str) -> None:
    links = [link for link in re.findall(r'\]\(([^)]+)\)', text(name)) if '://' not in link]
    assert links or name == 'RELEASING.md'
    assert not [link for link in links if not (ROOT / link).exists()]
    paths = re.findall(r'`((?:test|benchmarks|docs|config|\.ci)/[^` ]*)`', text(name))
    assert paths and not [path for path in paths if not (ROOT / path).exists()]


def test_package_xml_is_format_3_of_an_ament_python_package() -> None:
    root = package_xml()
    assert root.get('format') == '3' and root.findtext('name') == 'trt_segmentation'
    assert root.findtext('export/build_type') == 'ament_python'
    license_tag = root.find('license')
    assert license_tag is not None and license_tag.text == 'Apache-2.0'
    assert 'Apache License' in (ROOT / str(license_tag.get('file'))).read_text(encoding='utf-8')
    keys = [tag.text for tag in root if tag.tag.endswith('depend')]
    assert len(set(keys)) == len(keys)


def test_every_import_is_declared() -> None:
    declared = {tag.text for tag in package_xml() if tag.tag.endswith('depend')}
    files = [*(ROOT / 'trt_segmentation').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]
    missing = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                     else [node.module or ''] if isinstance(node, ast.ImportFrom)
                     and not node.level else [])
            for top in {name.split('.')[0] for name in names}:
                if top in sys.stdlib_module_names or top in OPTIONAL or top == 'trt_segmentation':
                    continue
                if ROSDEP.get(top, top) not in declared:
                    missing[top] = path.relative_to(ROOT)
    assert not missing


def test_the_marker_is_where_ament_looks() -> None:
    assert (ROOT / 'resource' / 'trt_segmentation').is_file()
    config = ConfigParser()
    config.read(ROOT / 'setup.cfg')
    assert config['install']['install_scripts'] == '$base/lib/trt_segmentation'


def test_share_path_in_the_source_tree() -> None:
    for name in SHARED:
        assert share_path(*name.split('/')) == ROOT / name
    with pytest.raises(FileNotFoundError, match=r'nothing\.yaml is not installed'):
        share_path('nothing.yaml')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that the build leaves no file in the tree."""
    pytest.importorskip('setuptools')
    source, out = tmp_path_factory.mktemp('wheel') / 'source', tmp_path_factory.mktemp('out')
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
        '.*', '__pycache__', '*.egg-info', 'build', 'install', 'log', 'demo-out', 'test'))
    for command in (['init'], ['add', '.'], ['-c', 'user.name=a', '-c', 'user.email=a@b.invalid',
                                             'commit', '--message', 'copy']):
        subprocess.run(['git', '-C', source, '-c', 'core.fsmonitor=false', *command], check=True,
                       capture_output=True)
    (source / 'trt_segmentation' / 'errors.py').open('a').write('\n')
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-build-isolation',
                    '--no-deps', '--no-index', '--wheel-dir', out, source], check=True)
    (found,) = out.glob('*.whl')
    return found


def test_wheel_holds_code_config_launch_and_model(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = re.sub(r'-py3.*', '.data/data/', wheel.name)
    expected = {f'{data}share/trt_segmentation/{name}' for name in SHARED}
    expected.add(f'{data}share/ament_index/resource_index/packages/trt_segmentation')
    expected |= {str(path.relative_to(ROOT)) for path in
                 (ROOT / 'trt_segmentation').rglob('*') if path.suffix in ('.py', '.cu', '.html')}
    cards = {f'{data}share/trt_segmentation/{path.relative_to(ROOT)}'
             for path in (ROOT / 'config' / 'models').glob('*.yaml')}
    assert expected | cards <= names
    assert 'trt_segmentation/py.typed' in names


def test_an_installed_package_knows_the_commit_of_its_checkout(wheel: Path, tmp_path: Path
                                                               ) -> None:
    recorded = zipfile.ZipFile(wheel).read('trt_segmentation/installed/commit.txt').decode()
    assert re.fullmatch(r'[0-9a-f]{12}\+', recorded)    # the copy was changed after its commit
    venv = installed(wheel, tmp_path)
    asked = away(venv / 'bin' / 'python', '-c', 'from trt_segmentation.installed.version import '
                 'commit; print(commit())')
    assert asked.stdout == recorded + '\n'


def away(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command outside the source tree and without a sourced ROS workspace."""
    keep = {name: value for name, value in os.environ.items()
            if name not in ('PYTHONPATH', 'AMENT_PREFIX_PATH')}
    return subprocess.run(command, cwd='/', text=True, check=False, capture_output=True,
                          env={**keep, **environment})


def installed(wheel: Path, folder: Path) -> Path:
    """Install only the wheel into a new environment, and return its folder."""
    venv = folder / 'venv'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', venv], check=True)
    away(sys.executable, '-m', 'pip', '--python', venv / 'bin' / 'python', 'install', '--quiet',
         '--no-deps', '--no-index', wheel).check_returncode()
    return venv


FIND = ('from trt_segmentation.installed.files import share_path; '
        'print(share_path("config", "seg.yaml"), share_path("resource", "street.onnx"))')


def test_pip_install_puts_trt_seg_on_the_path(wheel: Path, tmp_path: Path) -> None:
    venv = installed(wheel, tmp_path)
    for command in ('trt_seg', 'seg_node', 'street_camera'):
        assert os.access(venv / 'bin' / command, os.X_OK)
    assert 'replay' in away(venv / 'bin' / 'trt_seg', '--help').stdout
    missing = away(venv / 'bin' / 'seg_node')
    assert missing.returncode == 2 and 'Traceback' not in missing.stderr
    assert 'pip install' in missing.stderr and 'setup.bash' in missing.stderr
    share = venv / 'share' / 'trt_segmentation'
    assert away(venv / 'bin' / 'python', '-c', FIND).stdout == (
        f'{share}/config/seg.yaml {share}/resource/street.onnx\n')


def test_a_project_that_imports_the_wheel_gets_its_types(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip('mypy')
    venv = installed(wheel, tmp_path)
    user = tmp_path / 'user.py'
    user.write_text('from trt_segmentation.model.card import load_card\n'
                    'reveal_type(load_card("street").name)\nload_card(3)\n')
    done = away(sys.executable, '-m', 'mypy', '--strict', '--cache-dir', tmp_path / 'cache',
                '--python-executable', venv / 'bin' / 'python', user)
    assert 'note: Revealed type is "' in done.stdout and 'str"' in done.stdout, done.stdout
    assert 'expected "str' in done.stdout and 'import-untyped' not in done.stdout


@pytest.mark.parametrize('ament', [True, False])
def test_share_path_in_a_colcon_prefix(wheel: Path, tmp_path: Path, ament: bool) -> None:
    # colcon's install/<package> has the folders share and lib/pythonX.Y/site-packages too
    subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index',
                    '--ignore-installed', '--no-warn-script-location', '--prefix', tmp_path,
                    wheel], check=True)
    (code,) = tmp_path.glob('l*/python*/*-packages')
    extra = {'AMENT_PREFIX_PATH': f'/opt/ros/none:{tmp_path}'} if ament else {}
    share = tmp_path / 'share' / 'trt_segmentation'
    assert away(sys.executable, '-c', FIND, PYTHONPATH=str(code), **extra).stdout == (
        f'{share}/config/seg.yaml {share}/resource/street.onnx\n')


def test_share_path_beside_the_code_of_pip_target(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index',
                    '--target', tmp_path, wheel], check=True)
    share = tmp_path / 'share' / 'trt_segmentation'
    assert away(sys.executable, '-c', FIND, PYTHONPATH=str(tmp_path)).stdout == (
        f'{share}/config/seg.yaml {share}/resource/street.onnx\n')
