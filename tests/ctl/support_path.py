# SPDX-License-Identifier: MIT
"""Imported for its effect: finds what the tests of real programs share."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "programs"))
