"""Machine code on disk, so that a new process does not compile again.

One file per entry, named by its key; the key hashes what the code was made from, the versions that
made it and the instruction set it was made for (`digest`).  An entry is data, never a pickle:

    graphtorch-object 1\n
    {"name": symbol, "bytes": of the payload, "sha256": of name and payload}\n
    payload

A file that does not read back exactly as written (checksum, length, header) is removed and counts
as absent: the caller compiles again and nobody hears of it.  Writes go to a temporary file that is
renamed, so a reader sees a whole entry or none, and several processes may share the folder.  The
folder belongs to the user alone (mode 0700); one that others could write to is not used, because
what it holds would be executed.  When the entries exceed `config.flags.cache_mb` the ones not used
for longest are removed.

This module does not compile and does not load.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

from .. import config

_MAGIC = b"graphtorch-object 1\n"
_SUFFIX = ".gto"


def digest(*parts: str) -> str:
    """A 40-digit key for the given texts and the versions of everything that turns them into code."""
    hashed = hashlib.sha256(_versions().encode())
    for part in parts:
        encoded = part.encode()
        hashed.update(b"%d:" % len(encoded))
        hashed.update(encoded)
    return hashed.hexdigest()[:40]


@functools.cache
def _versions() -> str:
    """Versions of llvmlite and of the compiler, the latter by its files' sizes and times."""
    from importlib import metadata

    stamps = []
    package = Path(__file__).parent.parent
    for room in ("ir", "codegen"):
        for path in sorted((package / room).rglob("*.py")):
            status = path.stat()
            stamps.append(f"{path.relative_to(package)}:{status.st_size}:{status.st_mtime_ns}")
    return f"llvmlite {metadata.version('llvmlite')} {sys.platform}\n" + "\n".join(stamps)


def default_folder() -> Path:
    """Where entries live: GRAPHTORCH_CACHE_DIR, else the user's cache folder."""
    if config.flags.cache_dir:
        return Path(config.flags.cache_dir)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "graphtorch"


class ObjectCache:
    """A folder of entries.  All methods are safe from any thread and any process; none raises for
    a fault of the disk: a cache that cannot be used behaves as an empty one.

    hits, misses: counts of `get` in this process, for reports.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder = folder
        self.limit = limit  # bytes
        self.hits = 0
        self.misses = 0
        self._lock = threading.Lock()
        self._written: int | None = None  # bytes since the last eviction; None: never looked
        self._usable: bool | None = None

    def get(self, key: str) -> tuple[str, bytes] | None:
        """The name and payload stored under `key`, or None."""
        found = self._read(self._path(key)) if self._prepare() else None
        with self._lock:
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
        return found

    def put(self, key: str, name: str, payload: bytes) -> None:
        """Store a payload and the name of what it holds."""
        if not self._prepare():
            return
        header = {"name": name, "bytes": len(payload), "sha256": _checksum(name, payload)}
        content = _MAGIC + json.dumps(header).encode() + b"\n" + payload
        path = self._path(key)
        try:
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError:
            return
        with self._lock:
            due = self._written is None or self._written + len(content) > self.limit // 16
            self._written = 0 if due else (self._written or 0) + len(content)
        if due:
            self.evict()

    def evict(self) -> None:
        """Remove the entries not used for longest until the rest fits the limit."""
        entries = []
        try:
            with os.scandir(self.folder) as scan:
                for entry in scan:
                    if entry.name.endswith(_SUFFIX) or entry.name.startswith(".new-"):
                        status = entry.stat()
                        entries.append((status.st_mtime_ns, status.st_size, entry.path))
        except OSError:
            return
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.limit:
                break
            _remove(path)
            total -= size

    def _path(self, key: str) -> Path:
        return self.folder / (key + _SUFFIX)

    def _read(self, path: Path) -> tuple[str, bytes] | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        found = _entry(content)
        if found is None:
            _remove(path)
            return None
        try:
            os.utime(path)  # used now
        except OSError:
            pass  # a read-only folder serves all the same
        return found

    def _prepare(self) -> bool:
        """Make the folder if needed; whether it can be trusted."""
        if self._usable is None:
            self._usable = _private_folder(self.folder)
        return self._usable


def _checksum(name: str, payload: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\n" + payload).hexdigest()


def _entry(content: bytes) -> tuple[str, bytes] | None:
    """Name and payload of an entry that is whole, else None."""
    if not content.startswith(_MAGIC):
        return None
    end = content.find(b"\n", len(_MAGIC))
    try:
        header = json.loads(content[len(_MAGIC) : end])
        name, size, checksum = str(header["name"]), header["bytes"], header["sha256"]
    except (ValueError, TypeError, KeyError):
        return None
    payload = content[end + 1 :]
    if len(payload) != size or _checksum(name, payload) != checksum:
        return None
    return name, payload


def _private_folder(folder: Path) -> bool:
    """Create `folder` for the owner alone; False if others own it or could write to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if not hasattr(os, "getuid"):
            return True  # Windows: the profile folder's own access list guards it
        if status.st_uid != os.getuid():
            return False
        if status.st_mode & 0o077:
            folder.chmod(0o700)
        return True
    except OSError:
        return False


def _remove(path: str | Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # someone else was faster, or the folder is read-only


@functools.lru_cache(maxsize=8)
def _cache_at(folder: Path, limit: int) -> ObjectCache:
    return ObjectCache(folder, limit)


def object_cache() -> ObjectCache | None:
    """The cache the configuration asks for; None if it is switched off."""
    flags = config.flags
    if not flags.cache or flags.cache_mb == 0:
        return None
    return _cache_at(default_folder(), flags.cache_mb << 20)
