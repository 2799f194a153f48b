"""`torch.utils.tensorboard`: event files, written by the tensorboardX or the tensorboard package."""

from ... import absent as absent
from .writer import FileWriter as FileWriter
from .writer import SummaryWriter as SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
__getattr__ = absent.names_of(__name__)
