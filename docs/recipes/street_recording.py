# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write a recording, pictures and label maps of drawn streets. The examples in docs/ use them.

The script writes into the current folder, or into the folder that you give. It makes this folder
if it does not exist. With another --seed, the streets are different. drive.mcap holds 12 images on
/camera/image_raw. frames/ holds 12 PNG pictures: by day, at night, in rain and in snow. truth/
holds the label map of each picture, a PNG of class ids with the same file name.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
import tempfile

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from trt_segmentation.street import CONDITIONS, Drive, scene
from trt_segmentation.untrusted.output_files import (
    check_file,
    check_folder,
    KEY,
    MARKER,
    raise_output_errors,
    write_file,
    write_image,
)

IMAGE = 'sensor_msgs/msg/Image'
SIZE = (640, 360)
SEED = 1_500_000  # The training of the demo model did not use this seed.
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
EACH = 3  # pictures per condition


def write_bag(path: Path, frames: int = 12, seed: int = SEED) -> None:
    """Write a drive by day as one MCAP file of bgr8 images, with ten images per second."""
    store = get_typestore(Stores.ROS2_JAZZY)
    image, header, time = (store.types[name] for name in (
        IMAGE, 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time'))
    drive = Drive(seed, 'day', *SIZE, fps=1e9 / PERIOD_NS)
    with tempfile.TemporaryDirectory() as folder:
        with Writer(Path(folder) / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as bag:
            bag.set_custom_data(KEY, MARKER)
            topic = bag.add_connection('/camera/image_raw', IMAGE, typestore=store)
            for index in range(frames):
                stamp = START_NS + index * PERIOD_NS
                sec, nanosec = divmod(stamp, 1_000_000_000)
                pixels = drive.frame(index).image
                message = image(
                    header=header(stamp=time(sec=sec, nanosec=nanosec), frame_id='camera'),
                    height=pixels.shape[0], width=pixels.shape[1], encoding='bgr8',
                    is_bigendian=0, step=pixels.strides[0], data=pixels.reshape(-1))
                bag.write(topic, stamp, store.serialize_cdr(message, IMAGE))
        (mcap,) = (Path(folder) / 'bag').glob('*.mcap')
        write_file(path, mcap.read_bytes())
    print(path)


def write_pictures(folder: Path, seed: int = SEED) -> None:
    """Write scenes of every condition into frames/, and their label maps into truth/."""
    for kind in ('frames', 'truth'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for condition in CONDITIONS:
        for index in range(EACH):
            found = scene(seed + index, condition, *SIZE)
            name = f'{condition}_{index}.png'
            for kind, image in (('frames', found.image), ('truth', found.truth)):
                write_image(folder / kind / name, image)
                print(folder / kind / name)


if __name__ == '__main__':
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', type=Path, default=Path(), metavar='FOLDER',
                        help='folder for the results (default: the current folder)')
    parser.add_argument('--seed', type=int, default=SEED, metavar='N',
                        help='number that chooses the streets. The training of the demo model '
                        'did not use the default, %(default)s')
    options = parser.parse_args()
    here, seed = options.folder, options.seed
    if seed < 0:
        parser.error(f'--seed is {seed}; expected 0 or more')
    with raise_output_errors(here):
        here.mkdir(parents=True, exist_ok=True)
    check_file(here / 'drive.mcap', '')
    for kind in ('frames', 'truth'):
        check_folder(here / kind, '', [f'{condition}_{index}.png' for condition in CONDITIONS
                                       for index in range(EACH)])
    write_pictures(here, seed)
    write_bag(here / 'drive.mcap', seed=seed)
