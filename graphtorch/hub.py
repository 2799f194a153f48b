"""`torch.hub`: files and weights from a URL, kept in a folder of their own.

Only what a program asks for is fetched; nothing is fetched that already lies in the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from typing import Any
from urllib.parse import urlparse

from . import absent
from .errors import UnsupportedError, message

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")

_chosen: str | None = None


def _get_torch_home() -> str:
    home = os.environ.get("TORCH_HOME")
    if home is None:
        cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        home = os.path.join(cache, "torch")
    return os.path.expanduser(home)


def get_dir() -> str:
    """Folder of fetched files: `set_dir`'s, or `$TORCH_HOME/hub`."""
    return _chosen if _chosen is not None else os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Choose the folder of fetched files."""
    global _chosen
    _chosen = os.path.expanduser(os.fspath(d))


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch `url` into `dst`; the file appears when it is complete.

    Raises RuntimeError if its SHA-256 does not begin with `hash_prefix`.
    """
    from urllib.request import Request, urlopen

    dst = os.path.expanduser(dst)
    digest = hashlib.sha256()
    handle, part = tempfile.mkstemp(suffix=".partial", dir=os.path.dirname(dst) or ".")
    try:
        request = Request(url, headers={"User-Agent": "graphtorch.hub"})
        with os.fdopen(handle, "wb") as file, urlopen(request) as source:
            while piece := source.read(1 << 17):
                file.write(piece)
                digest.update(piece)
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(
                f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")'
            )
        os.replace(part, dst)
    finally:
        if os.path.exists(part):
            os.remove(part)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Load the weights at `url`, fetched once into `model_dir` (default: `get_dir()/checkpoints`).

    With `check_hash`, the file's name ends in the first digits of its SHA-256 and is checked.
    """
    from .frontend.serialization import load as load_file

    folder = model_dir if model_dir is not None else os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    kept = os.path.join(folder, name)
    if not os.path.exists(kept):
        sys.stderr.write(f'Downloading: "{url}" to {kept}\n')
        prefix = None
        if check_hash and (found := HASH_REGEX.search(name)):
            prefix = found.group(1)
        download_url_to_file(url, kept, prefix, progress)
    return load_file(kept, map_location=map_location, weights_only=weights_only)


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Call the entry point `model` of the `hubconf.py` in a local folder (`source="local"`).

    Raises UnsupportedError for a repository on the network: its code would run unread.
    """
    return getattr(_hubconf(repo_or_dir, source), model)(*args, **kwargs)


def list(github: str, force_reload: bool = False, source: str = "local", **_: Any) -> Any:
    """Names of the entry points of the `hubconf.py` in a local folder."""
    module = _hubconf(github, source)
    return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(
    github: str, model: str, force_reload: bool = False, source: str = "local", **_: Any
) -> Any:
    """The docstring of an entry point."""
    return getattr(_hubconf(github, source), model).__doc__


def _hubconf(folder: str, source: str) -> Any:
    if source != "local":
        raise UnsupportedError(
            message(
                "torch.hub does not run code from a repository on the network",
                operands={"repo_or_dir": folder},
                hint="clone it, read it, and call torch.hub.load(folder, model, source='local')",
            )
        )
    from importlib.util import module_from_spec, spec_from_file_location

    path = os.path.join(os.path.expanduser(folder), "hubconf.py")
    spec = spec_from_file_location("hubconf", path)
    if spec is None or spec.loader is None or not os.path.exists(path):
        raise FileNotFoundError(path)
    module = module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(path))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(os.path.dirname(path))
    return module


__getattr__ = absent.names_of(__name__)
