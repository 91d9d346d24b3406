"""The version, in a place of its own so that no module has to import the package."""

__version__ = "0.1.0"
