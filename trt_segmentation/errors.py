# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""All errors of this package. :class:`SegmentationError` is the base class of all of them.

Each message is for the user. It names the wrong file, option or number, and says what was expected
and what to do.
"""


class SegmentationError(Exception):
    """Base class of the error classes of this package."""


class FrameError(SegmentationError):
    """An image is not valid, or an option does not fit an image."""


class LensError(SegmentationError):
    """A camera_info message is not a calibration, or it does not fit the images."""


class GroundError(SegmentationError):
    """The map of the ground cannot be computed, for example without the pose of the camera."""


class ModelCardError(SegmentationError):
    """A model card, which is the YAML file about a network, cannot be used."""


class LabelError(SegmentationError):
    """Label maps cannot be compared."""


class LabelValueError(SegmentationError):
    """A label map holds a value that is not a class id, or no pixel is labelled."""


class PictureError(SegmentationError):
    """A file is not a picture of the expected kind."""


class EngineError(SegmentationError):
    """An engine cannot be opened on this machine, or it failed while it ran."""

    sticky = False
    """True if this process cannot use the GPU any more. A new process can use the GPU."""


CLOSED_PIPELINE = 'the pipeline is closed; open a new one'
"""Message of the error if a pipeline is used after it was closed."""
NOTHING_PENDING = ('no batch is pending, so there is nothing to collect; call submit() once '
                   'before each collect()')
"""Message of the error if collect() is called more often than submit()."""

_RECOVERABLE = frozenset([
    'CUDA_ERROR_INVALID_VALUE', 'CUDA_ERROR_OUT_OF_MEMORY', 'CUDA_ERROR_NOT_READY',
    'CUDA_ERROR_NO_DEVICE', 'CUDA_ERROR_INVALID_DEVICE', 'CUDA_ERROR_NOT_SUPPORTED',
    'CUDA_ERROR_NOT_PERMITTED', 'CUDA_ERROR_NOT_FOUND', 'CUDA_ERROR_NO_BINARY_FOR_GPU',
    'CUDA_ERROR_INVALID_IMAGE', 'CUDA_ERROR_INVALID_HANDLE', 'CUDA_ERROR_NOT_INITIALIZED'])
"""CUDA errors after which the process can still use the GPU."""


class PlanRefused(EngineError):
    """TensorRT cannot load a plan (an engine in a file), but may be able to build it again.

    The plan is damaged, or it was built for another GPU, driver or version of TensorRT.
    """


class GpuError(EngineError):
    """A call into the CUDA driver failed.

    :param name: name of the error in CUDA, such as CUDA_ERROR_OUT_OF_MEMORY. The name decides
        whether the error is sticky.
    """

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name
        self.sticky = (name not in _RECOVERABLE and 'STREAM_CAPTURE' not in name
                       and 'GRAPH_EXEC_UPDATE' not in name)


class NotAMap(EngineError):
    """The output of a network does not have the aspect ratio of the image."""


class NotASegmentation(EngineError):
    """An ONNX file is not a segmentation network.

    :param described: a description of the network for the terminal. Each line is a YAML comment.
    """

    def __init__(self, message: str, described: str) -> None:
        super().__init__(message)
        self.described = described


class GraphError(SegmentationError):
    """An engine cannot be built from an ONNX file."""


class AccuracyLossError(GraphError):
    """The accuracy of a network is lower than the user allows."""


class CacheError(SegmentationError):
    """The folder for built engines, or the file of an engine, cannot be used."""


class OutputError(SegmentationError, OSError):
    """An output file cannot be written, or it would replace a file of the user."""


class FrameLogError(SegmentationError):
    """The frame log, which is a file with one line for each frame, cannot be opened."""


class TransportError(SegmentationError):
    """The ROS library librcl cannot be called here, or did not receive or publish a message."""


class BagError(SegmentationError):
    """A recording cannot be read or written."""


class BagLimitError(SegmentationError):
    """A recording exceeds a size limit, or its database holds code that SQLite would run."""


class VideoError(SegmentationError):
    """A video cannot be opened, read or written; the message names the video."""


class RecorderError(SegmentationError):
    """The recorder of the demo cannot record messages."""


class LaunchArgumentError(SegmentationError):
    """A launch argument cannot be used."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        super().__init__(f'{name}:={value} is refused: {reason}')


class Interrupted(SegmentationError):
    """The process was told to stop while it was working."""


class TrustError(SegmentationError):
    """A reference cannot be read, or does not fit the model.

    A reference has numbers about the images on which the model was evaluated.
    """


class TraceError(SegmentationError):
    """The stages of a frame cannot be shown in a profiler."""


class EvaluationError(SegmentationError):
    """An evaluation cannot be made."""


class SourceError(SegmentationError):
    """A source of images cannot be read; the message names the source."""


class FleetError(SegmentationError):
    """Recordings cannot be labelled or evaluated. The message says what must be changed."""


class ReplayError(SegmentationError):
    """The command ``trt_seg replay`` cannot start."""


class DemoError(SegmentationError):
    """The demo failed, for example because the node did not start."""


class ViewError(SegmentationError):
    """The live view cannot be opened."""


class BenchError(SegmentationError):
    """The numbers of a benchmark run cannot be read, compared or written."""
