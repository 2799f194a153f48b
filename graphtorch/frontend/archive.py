"""`torch.PyTorchFileReader`: the records of a file in torch's zip format, as bytes."""

from __future__ import annotations

import zipfile
from typing import IO, Any


class PyTorchFileReader:
    """Reads the records of a saved file: `data.pkl`, `data/0`, `version`, ...

    >>> import io
    >>> import graphtorch as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.ones(2), file)
    >>> reader = torch.PyTorchFileReader(file)
    >>> reader.has_record("data.pkl"), len(reader.get_record("data/0"))
    (True, 8)
    """

    def __init__(self, name_or_buffer: str | IO[bytes]):
        self._zip = zipfile.ZipFile(name_or_buffer)
        self._folder = self._zip.namelist()[0].partition("/")[0] + "/"

    def has_record(self, name: str) -> bool:
        """Whether there is a record of that name."""
        return self._folder + name in self._zip.NameToInfo

    def get_record(self, name: str) -> bytes:
        """Its bytes; raises RuntimeError if there is none."""
        if not self.has_record(name):
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        return self._zip.read(self._folder + name)

    def get_all_records(self) -> list[str]:
        """Names of all records."""
        start = len(self._folder)
        return [name[start:] for name in self._zip.namelist() if name.startswith(self._folder)]

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Any:
        """A record as a tensor of `numel` elements."""
        from .from_data import frombuffer

        return frombuffer(bytearray(self.get_record(name)), dtype=dtype, count=numel)

    def archive_name(self) -> str:
        """Name of the folder inside the archive."""
        return self._folder.rstrip("/")
