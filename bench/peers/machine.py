# SPDX-License-Identifier: Apache-2.0
"""What the contenders' settings depend on."""


def cpu_model():
    return _info().partition("model name")[2].partition(":")[2].partition("\n")[0].strip()


def cpu_has_vnni():
    """Without it, the sum of two 8-bit products saturates at 16 bits."""
    return "_vnni" in _info()


def _info():
    with open("/proc/cpuinfo") as info:
        return info.read()
