"""`torch.version`."""

__version__ = "2.13.0+graphtorch0.1"
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = ""
debug = False
