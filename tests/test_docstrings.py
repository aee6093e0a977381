import doctest
import pkgutil
from importlib import import_module

import helpers


def test_the_examples_in_docstrings_hold():
    names = [module.name for module in pkgutil.walk_packages(helpers.__path__, "helpers.")]
    results = [doctest.testmod(import_module(name)) for name in names if "__main__" not in name]
    assert sum(result.attempted for result in results) >= 8 and not any(result.failed for result in results)
