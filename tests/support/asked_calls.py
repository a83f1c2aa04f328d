"""Makes a process call the kernel as somebody would who took it over: by ptrace, in its own name and under its own restrictions.

x86-64 only. The process stands still meanwhile and goes on afterwards as if nothing had been.
"""
import contextlib
import ctypes
import os
import platform
import re
import struct

ATTACH, DETACH, STEP, GET_REGISTERS, SET_REGISTERS = 16, 17, 9, 12, 13
# Of struct user_regs_struct: 27 words.
WORDS, R10, R9, R8, RAX, RDX, RSI, RDI, ORIG_RAX, RIP = 27, 7, 8, 9, 10, 12, 13, 14, 15, 16
OPENAT, EXECVE, SOCKET, KILL, GETPID, FORK = 257, 59, 41, 62, 39, 57
SYSCALL = b"\x0f\x05"


def possible():
    return platform.machine() == "x86_64" and os.getuid() == 0


def _ptrace(request, pid, data=None):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}: {os.strerror(ctypes.get_errno())}")


def _mapped(pid, wanted):
    for line in open(f"/proc/{pid}/maps"):
        start, end, rights, path = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
        if wanted(rights, path):
            return int(start, 16), int(end, 16)
    raise LookupError("no such memory")


class Asked:
    def __init__(self, pid):
        self.pid = pid
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        start, end = _mapped(pid, lambda rights, path: "x" in rights and "libc" in path)
        self.instruction = start + os.pread(self.memory, end - start, start).index(SYSCALL)
        # A page that may be written, for words; put back at the end.
        self.page = _mapped(pid, lambda rights, path: rights.startswith("rw") and "libc" in path)[0]
        self.kept = os.pread(self.memory, 4096, self.page)

    def text(self, words):
        os.pwrite(self.memory, words + b"\0", self.page)
        return self.page

    def call(self, number, *arguments):
        """What the kernel answers: negative for an error."""
        kept = ctypes.create_string_buffer(WORDS * 8)
        _ptrace(GET_REGISTERS, self.pid, kept)
        registers = list(struct.unpack(f"<{WORDS}Q", kept.raw))
        for place, value in zip((RDI, RSI, RDX, R10, R8, R9), arguments):
            registers[place] = value % 2**64
        # No call that was interrupted is to be begun again in its place.
        registers[RAX], registers[ORIG_RAX], registers[RIP] = number, 2**64 - 1, self.instruction
        _ptrace(SET_REGISTERS, self.pid, struct.pack(f"<{WORDS}Q", *registers))
        _ptrace(STEP, self.pid)
        os.waitpid(self.pid, 0x40000000)
        answered = ctypes.create_string_buffer(WORDS * 8)
        _ptrace(GET_REGISTERS, self.pid, answered)
        _ptrace(SET_REGISTERS, self.pid, kept)
        return struct.unpack(f"<{WORDS}q", answered.raw)[RAX]

    def close(self):
        os.pwrite(self.memory, self.kept, self.page)
        os.close(self.memory)


@contextlib.contextmanager
def asking(pid):
    _ptrace(ATTACH, pid)
    # __WALL
    os.waitpid(pid, 0x40000000)
    try:
        asked = Asked(pid)
        try:
            yield asked
        finally:
            asked.close()
    finally:
        _ptrace(DETACH, pid)
