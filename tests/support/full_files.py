"""A file system whose quota is found to be used up only when a file that was written is closed, as with NFS: one file, `file`.

Run as a program: MOUNTPOINT WHICH. Of the closes after a write the WHICHth one fails, 1 being the first. It says `mounted`, and
ends when it is killed.
"""
import errno
import os
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.stuck_files import FLUSH, READ, WRITE, answer, serve  # noqa: E402


def main(mount_point, which):
    # The kernel may send each page of a write by itself.
    left = 0

    def reply_to(operation, node, body, caller):
        nonlocal left
        if operation == WRITE:
            left = int(which)
            return struct.pack("<II", struct.unpack_from("<QQI", body)[2], 0)
        if operation == READ:
            return bytes(struct.unpack_from("<QQI", body)[2])
        if operation == FLUSH:
            left -= 1
            return errno.EDQUOT if left == 0 else b""
        return answer(operation, node, body)

    serve(os.fsdecode(mount_point), reply_to)


if __name__ == "__main__":
    main(*sys.argv[1:])
