import pathlib
import sys

for folder in ("conformance", "memory"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / folder))
