"""The tests; `docs/development.md` says what each room proves."""

import os

# Before NumPy, OpenCV or PyTorch is loaded, here and in the processes that tests start: each has
# as many threads as there are processors, and they wait for each other in loops.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_name, "1")

# The processes that tests start read compiled modules instead of compiling all of `core` each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
