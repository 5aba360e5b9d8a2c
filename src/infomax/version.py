"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("infomax")
except PackageNotFoundError:  # from the source tree, on a machine where nothing is installed
    __version__ = "0.2.0"
