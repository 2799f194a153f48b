"""Event files through the tensorboard package alone: scalars, texts, histograms and tensors."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto


class _EventFile:
    """What `FileWriter` hands protocol buffers to."""

    def __init__(self, folder: str, max_queue: int, flush_secs: int, suffix: str):
        self._folder = folder
        self._file = EventFileWriter(folder, max_queue, flush_secs, suffix)
        self.flush, self.close = self._file.flush, self._file.close

    def get_logdir(self) -> str:
        return self._folder

    def add_event(self, event: Any, step: Any = None, walltime: Any = None) -> None:
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self._file.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: Any = None) -> None:
        self.add_event(Event(summary=summary), global_step, walltime)


class PlainWriter:
    """The part of tensorboardX's writer that is written here."""

    def __init__(
        self, logdir: str | None = None, comment: str = "", purge_step: int | None = None,
        max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "",
    ):  # fmt: skip
        if logdir is None:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            logdir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.logdir = logdir
        self._options = (max_queue, flush_secs, filename_suffix)
        self._others: dict[str, _EventFile] = {}
        self.file_writer = _EventFile(logdir, *self._options)

    def _write(self, value: Any, step: Any, walltime: Any) -> None:
        self.file_writer.add_summary(Summary(value=[value]), step, walltime)

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: Any = None) -> None:  # fmt: skip
        value = float(np.asarray(scalar_value).reshape(()))
        self._write(Summary.Value(tag=tag, simple_value=value), global_step, walltime)

    def add_scalars(self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: Any = None, walltime: Any = None) -> None:  # fmt: skip
        for tag, number in tag_scalar_dict.items():
            folder = os.path.join(self.logdir, f"{main_tag.replace('/', '_')}_{tag}")
            if folder not in self._others:
                self._others[folder] = _EventFile(folder, *self._options)
            value = Summary.Value(tag=main_tag, simple_value=float(number))
            self._others[folder].add_summary(Summary(value=[value]), global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: Any = None) -> None:  # fmt: skip
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        tensor = make_tensor_proto(np.array([text_string.encode()], dtype=object))
        value = Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)
        self._write(value, global_step, walltime)

    def add_tensor(self, tag: str, tensor: Any, global_step: Any = None, walltime: Any = None) -> None:  # fmt: skip
        value = Summary.Value(tag=tag, tensor=make_tensor_proto(np.asarray(tensor)))
        self._write(value, global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: Any = None, bins: Any = "tensorflow", walltime: Any = None,
        max_bins: int | None = None,
    ) -> None:  # fmt: skip
        values = np.asarray(values, np.float64).reshape(-1)
        if values.size == 0:
            raise ValueError("The input has no element.")
        counts, limits = np.histogram(values, 30 if isinstance(bins, str) else bins)
        histogram = HistogramProto(
            min=values.min(), max=values.max(), num=values.size, sum=values.sum(), sum_squares=values @ values,
            bucket_limit=limits[1:].tolist(), bucket=counts.tolist(),
        )  # fmt: skip
        self._write(Summary.Value(tag=tag, histo=histogram), global_step, walltime)

    def flush(self) -> None:
        for file in (self.file_writer, *self._others.values()):
            file.flush()

    def close(self) -> None:
        for file in (self.file_writer, *self._others.values()):
            file.close()
