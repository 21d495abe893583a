"""Runs a script that was written for TF-TRT, unchanged: python -m tfengine.tf_trt SCRIPT ARGUMENTS..."""

import os
import runpy
import sys

from . import install_tf_trt


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(len(sys.argv) < 2)
    install_tf_trt()
    sys.argv = sys.argv[1:]
    # As Python does for a script: its folder comes first on the path.
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
