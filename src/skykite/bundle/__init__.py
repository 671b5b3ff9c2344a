"""Function source to one zip: the user's code, its third-party packages, and `skykite_lambda`.

In: a `bundle` asset of the manifest. Out: a zip where the asset says, the same to the byte for the same input. I/O:
reads the import root; runs uv, which asks the package index; keeps what it made in Skykite's cache folder.
"""

from skykite.bundle.bundler import Bundler

__all__ = ["Bundler"]
