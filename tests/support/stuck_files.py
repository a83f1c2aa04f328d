"""A file system of a user's own that stops answering: one file, `file`, whose reads, writes and closes never come back.

Speaks the kernel's FUSE protocol by itself, so that nothing has to be installed. Run as a program: MOUNTPOINT ACCOUNT. It says
`mounted`, and ends when it is killed, which lets go of everybody who waits. The account ACCOUNT and root are let go of the
file, or they could not pass it on, and told what it is like; whoever else asks that waits as well.
"""
import ctypes
import os
import pwd
import stat
import struct
import sys

LOOKUP, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FLUSH, INIT, OPENDIR, RELEASEDIR = (
    1, 3, 4, 14, 15, 16, 17, 18, 25, 26, 27, 29)
NEVER_ANSWERED = (READ, WRITE, FLUSH)
UNANSWERABLE = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
NO_ENTRY, NO_SUCH_CALL = 2, 38
ROOT, FILE = 1, 2


def attributes(node):
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o666
    return struct.pack("<QQQQQQIIIIIIIIII", node, 1 << 20, 2048, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(), os.getgid(), 0, 4096, 0)


def answer(operation, node, body):
    """The answer's bytes, a number of an error, or None for none."""
    if operation == INIT:
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 9, 65536, 1, 256, 0, 0, *([0] * 7))
    if operation == LOOKUP:
        if body.rstrip(b"\0") != b"file":
            return NO_ENTRY
        return struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
    if operation in (GETATTR, SETATTR):
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if operation in (OPEN, OPENDIR):
        return struct.pack("<QII", 1, 1, 0)
    if operation == STATFS:
        return None
    if operation in (RELEASE, RELEASEDIR):
        return b""
    return None if operation in NEVER_ANSWERED else NO_SUCH_CALL


def serve(mount_point, reply_to):
    """reply_to(operation, node, body, caller), as answer() says it, of whatever is asked."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other".encode()
    if libc.mount(b"stuck", os.fsencode(mount_point), b"fuse", 0, options) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    print("mounted", flush=True)
    while True:
        request = os.read(device, 1 << 20)
        length, operation, unique, node, caller = struct.unpack_from("<IIQQI", request)
        if operation in UNANSWERABLE:
            continue
        reply = reply_to(operation, node, request[40:length], caller)
        if reply is None:
            print("unanswered", operation, flush=True)
            continue
        error, data = (reply, b"") if isinstance(reply, int) else (0, reply)
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)
        except FileNotFoundError:
            pass  # whoever asked was killed


def main(mount_point, account):
    known = (0, pwd.getpwnam(account).pw_uid)

    def reply_to(operation, node, body, caller):
        if operation == GETATTR and caller not in known:
            return None
        if operation == FLUSH and caller in known:
            return b""
        return answer(operation, node, body)

    serve(mount_point, reply_to)


if __name__ == "__main__":
    main(*sys.argv[1:])
