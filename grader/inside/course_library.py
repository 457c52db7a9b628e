"""The course library as notebooks import it: always the harness's own, also when it is reloaded or imported anew.

What makes it quicker, watches and shortens it is done to its classes, and a reload makes new ones: so whatever is in
`prepare` is done each time that its code has run.
"""

import importlib
import sys
from importlib.machinery import PathFinder, SourceFileLoader


def place(folder, name, prepare):
    """Import the library before anything else of that name can be found. `prepare`: functions of the module, run in order."""
    sys.meta_path.insert(0, Finder(folder, name, prepare))
    return importlib.import_module(name)


class Finder:
    def __init__(self, folder, name, prepare):
        self.folder, self.name, self.prepare = folder, name, prepare

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        spec = PathFinder.find_spec(name, [self.folder])
        spec.loader = Loader(name, spec.origin)
        spec.loader.prepare = self.prepare
        return spec


class Loader(SourceFileLoader):
    def exec_module(self, module):
        super().exec_module(module)
        for function in self.prepare:
            function(module)
