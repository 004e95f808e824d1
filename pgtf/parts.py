"""Imports every module that pgtf exports a part of, so that gin knows the part's name."""

import importlib

import pgtf
from pgtf.configuration import keras_parts
from pgtf.environments.gym import register_wrappers

for _module in pgtf.exporting_modules():
    # Parts live in packages. What lies beside this module is made of them.
    if _module.count(".") > 1:
        importlib.import_module(_module)

keras_parts.register()
register_wrappers()
