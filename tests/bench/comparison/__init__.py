# SPDX-License-Identifier: MIT
"""What the benchmarks of mounts are made of, one thing a module."""
