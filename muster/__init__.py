"""The public face of Muster: what plug-in and client authors import. Whatever is not in here may change."""

__version__ = "0.1.0.dev0"
