"""The examples in the docstrings of the public API are correct."""

import doctest
import inspect

import pytest

import noisescale

FUNCTIONS = [
    name
    for name in getattr(noisescale, "__all__", ())
    if inspect.isfunction(getattr(noisescale, name))
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_examples_of_a_public_function_are_correct(name):
    function = getattr(noisescale, name)
    module = inspect.getmodule(function)
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, module=module)
    assert example.examples, f"noisescale.{name} has no example in its docstring"
    report = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert not report, "".join(report)
