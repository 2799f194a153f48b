"""`SummaryWriter`: hands values to a package that writes event files, tensors as arrays.

tensorboardX knows everything; the tensorboard package alone takes scalars, texts, histograms and tensors
(`plain`).  One of the two must be installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from ...errors import UnsupportedError, message
from ...frontend.tensor import Tensor


def as_arrays(value: Any) -> Any:
    """Tensors of a tree of lists, tuples and dicts as NumPy arrays."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (
            value.float() if value.dtype.itemsize < 4 and value.is_floating_point() else value
        ).numpy()
    if isinstance(value, dict):
        return {key: as_arrays(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(as_arrays, value))
    return value


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _backend(*args: Any, **kwargs: Any) -> Any:
    if find_spec("tensorboardX") is not None:
        from tensorboardX import SummaryWriter as Writer

        return Writer(*args, **kwargs)
    if find_spec("tensorboard") is not None:
        from .plain import PlainWriter

        return PlainWriter(*args, **kwargs)
    raise ImportError(
        "SummaryWriter needs the tensorboardX or the tensorboard package: pip install tensorboardX"
    )


class SummaryWriter:
    """Writes event files into a folder, by default runs/<time>_<host>.

    Methods and arguments are PyTorch's.  Raises ImportError without tensorboardX or tensorboard, UnsupportedError
    for what the package at hand cannot write.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ):
        self._writer = _backend(
            None if log_dir is None else str(log_dir), comment=comment, purge_step=purge_step, max_queue=max_queue,
            flush_secs=flush_secs, filename_suffix=filename_suffix,
        )  # fmt: skip
        self.log_dir = self._writer.logdir

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self._writer, name, None)
        if method is None:
            raise UnsupportedError(
                message(
                    f"the installed tensorboard package cannot do {name}",
                    hint="pip install tensorboardX",
                )
            )
        return method(*as_arrays(args), **as_arrays(kwargs))

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """One number; `new_style` and `double_precision` change how it is encoded in PyTorch, and nothing here."""
        self._call("add_scalar", tag, _number(scalar_value), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several numbers in one chart."""
        numbers = {tag: _number(value) for tag, value in tag_scalar_dict.items()}
        self._call("add_scalars", main_tag, numbers, global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Hyperparameters of a run and what came of them."""
        options = {name: _number(value) for name, value in hparam_dict.items()}
        metrics = {name: _number(value) for name, value in metric_dict.items()}
        self._call("add_hparams", options, metrics, run_name, global_step)

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True) -> None:  # fmt: skip
        """Raises UnsupportedError: `python -m graphtorch report` draws graphs."""
        raise UnsupportedError(
            message(
                "SummaryWriter.add_graph is not supported",
                hint="python -m graphtorch report FILE.py",
            )
        )

    def flush(self) -> None:
        """Write out what is waiting."""
        self._writer.flush()

    def close(self) -> None:
        """Write out what is waiting and close the file."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


_SAME = """
    add_audio add_custom_scalars add_custom_scalars_marginchart add_custom_scalars_multilinechart add_embedding
    add_figure add_histogram add_histogram_raw add_image add_image_with_boxes add_images add_mesh add_onnx_graph
    add_pr_curve add_pr_curve_raw add_tensor add_text add_video
"""


def _same(name: str) -> Any:
    def method(self: SummaryWriter, *args: Any, **kwargs: Any) -> None:
        self._call(name, *args, **kwargs)

    method.__name__, method.__qualname__ = name, f"SummaryWriter.{name}"
    method.__doc__ = f"PyTorch's `{name}`; tensors are handed over as arrays."
    return method


for _name in _SAME.split():
    setattr(SummaryWriter, _name, _same(_name))


class FileWriter:
    """Writes ready event protocol buffers into a folder."""

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = ""
    ):
        self._inner = _backend(
            str(log_dir),
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        ).file_writer

    def get_logdir(self) -> str:
        """The folder."""
        return self._inner.get_logdir()

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Write an event."""
        self._inner.add_event(event, step, walltime)

    def add_summary(self, summary: Any, global_step: int | None = None, walltime: float | None = None) -> None:  # fmt: skip
        """Write a summary."""
        self._inner.add_summary(summary, global_step, walltime)

    def flush(self) -> None:
        """Write out what is waiting."""
        self._inner.flush()

    def close(self) -> None:
        """Write out what is waiting and close the file."""
        self._inner.close()
