"""A file system of a few megabytes, to be full of."""
import contextlib
import subprocess
import time

import pytest


@contextlib.contextmanager
def small_disk(folder, mebibytes):
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", folder], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        yield folder
    finally:
        # A server lets a file go some time after its client has gone.
        deadline = time.monotonic() + 60
        while (done := subprocess.run(["umount", folder], capture_output=True, text=True)).returncode != 0:
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.1)
