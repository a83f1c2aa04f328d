"""A server that is out to harm its clients: an SSH server on AsyncSSH whose SFTP and legacy SCP say whatever a test wants.

The packets are made here, not by a library, since no library would say such things. Everybody may log in. What the client
asked is kept in `asked`; what became of channels that nobody asked for in `unasked`.
"""
import asyncio
import struct
import threading

import asyncssh

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, \
    STAT, RENAME, READLINK, SYMLINK = range(1, 21)
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = 101, 102, 103, 104, 105, 200, 201
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
FOLDER, REGULAR, LINK = 0o040755, 0o100644, 0o120777


def string(data):
    return struct.pack(">I", len(data)) + data


def attributes(mode=REGULAR, size=0, times=(1, 1)):
    """Size, mode and times, as SFTP version 3 writes them."""
    return struct.pack(">IQIII", 1 | 4 | 8, size, mode, *times)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u32(self):
        self.at += 4
        return struct.unpack_from(">I", self.data, self.at - 4)[0]

    def u64(self):
        self.at += 8
        return struct.unpack_from(">Q", self.data, self.at - 8)[0]

    def string(self):
        size = self.u32()
        self.at += size
        return self.data[self.at - size:self.at]


class Tree:
    """What is there, honestly told: PATH -> (mode, content, names of a folder or a link's target). Tests override."""

    extensions = {}

    def __init__(self, files=None):
        self.files = {b"/": (FOLDER, b"")}
        for path, content in (files or {}).items():
            self.add(path.encode() if isinstance(path, str) else path, content)

    def add(self, path, content, mode=REGULAR):
        self.files[path] = (mode, content)
        parent = path.rsplit(b"/", 1)[0] or b"/"
        if parent not in self.files:
            self.add(parent, b"", FOLDER)

    def realpath(self, path):
        if not path.startswith(b"/"):
            path = b"/" + path
        parts = []
        for part in path.split(b"/"):
            if part == b"..":
                parts = parts[:-1]
            elif part not in (b"", b"."):
                parts.append(part)
        return b"/" + b"/".join(parts)

    def attributes(self, path, follow):
        """Nothing: there is no such file."""
        entry = self.files.get(self.realpath(path))
        return entry and attributes(entry[0], len(entry[1]))

    def names(self, path):
        """Portions of a folder: lists of (name, long name, attributes)."""
        path = self.realpath(path)
        prefix = path if path.endswith(b"/") else path + b"/"
        found = [(p[len(prefix):], entry) for p, entry in self.files.items() if p.startswith(prefix) and p != path]
        yield [(name, b"long " + name, attributes(entry[0], len(entry[1]))) for name, entry in found if b"/" not in name]

    def read(self, path, offset, length):
        """Data; b"" is sent as DATA of length 0; None is the end."""
        content = self.files[self.realpath(path)][1]
        return content[offset:offset + length] or None

    def link(self, path):
        return self.files[self.realpath(path)][1]

    def extended(self, name, reader):
        """The whole answer's type and body behind the request's number."""
        return STATUS, status(UNSUPPORTED)

    def scp(self, command):
        """What scp -f says, in turns: each is sent when the client answered the one before with a zero byte."""
        return []


def status(code, text=b"", language=b""):
    return struct.pack(">I", code) + string(text) + string(language)


class SftpTalk:
    """One SFTP channel: requests in, the tree's answers out."""

    def __init__(self, tree, asked):
        self.tree, self.asked = tree, asked
        self.handles, self.next = {}, 0

    def hold(self, path, portions=None):
        self.next += 1
        handle = b"h%d" % self.next
        self.handles[handle] = (path, portions)
        return HANDLE, string(handle)

    def answer(self, kind, r):
        if kind in (OPEN, OPENDIR):
            path = r.string()
            self.asked.append((kind, path))
            if kind == OPENDIR:
                return self.hold(path, iter(self.tree.names(path)))
            if r.u32() & 2:
                return STATUS, status(PERMISSION_DENIED, self.tree_text())
            if self.tree.attributes(path, True) is None:
                return STATUS, status(NO_SUCH_FILE, self.tree_text())
            return self.hold(path)
        if kind == CLOSE:
            self.handles.pop(r.string(), None)
            return STATUS, status(OK)
        if kind == READ:
            data = self.tree.read(self.handles[r.string()][0], r.u64(), r.u32())
            return (STATUS, status(EOF)) if data is None else (DATA, string(data))
        if kind == READDIR:
            names = next(self.handles[r.string()][1], None)
            if names is None:
                return STATUS, status(EOF)
            return NAME, struct.pack(">I", len(names)) + b"".join(string(n) + string(l) + a for n, l, a in names)
        if kind in (STAT, LSTAT, FSTAT):
            path = r.string()
            if kind == FSTAT:
                path = self.handles[path][0]
            self.asked.append((kind, path))
            found = self.tree.attributes(path, kind != LSTAT)
            return (ATTRS, found) if found else (STATUS, status(NO_SUCH_FILE, self.tree_text()))
        if kind in (REALPATH, READLINK):
            path = r.string()
            self.asked.append((kind, path))
            name = self.tree.realpath(path) if kind == REALPATH else self.tree.link(path)
            return NAME, struct.pack(">I", 1) + string(name) + string(name) + attributes()
        if kind == EXTENDED:
            name = r.string()
            self.asked.append((kind, name))
            return self.tree.extended(name, r)
        self.asked.append((kind, b""))
        return STATUS, status(PERMISSION_DENIED, self.tree_text())

    def tree_text(self):
        return getattr(self.tree, "text", b"")

    async def run(self, session):
        try:
            while True:
                size = struct.unpack(">I", await session.input.readexactly(4))[0]
                packet = await session.input.readexactly(size)
                if packet[0] == INIT:
                    listed = b"".join(string(k) + string(v) for k, v in self.tree.extensions.items())
                    reply = bytes([VERSION]) + struct.pack(">I", 3) + listed
                else:
                    kind, body = self.answer(packet[0], Reader(packet[5:]))
                    reply = bytes([kind]) + packet[1:5] + body
                await session.say(struct.pack(">I", len(reply)) + reply)
        except (asyncio.IncompleteReadError, OSError, asyncssh.Error):
            pass


async def scp_talk(tree, session, command, asked):
    asked.append(("scp", command))
    try:
        for turn in tree.scp(command):
            answer = await session.input.readexactly(1)
            if answer != b"\0":
                asked.append(("refused", await session.input.readline()))
                break
            await session.say(turn)
        # Whatever is still to be said by the client.
        asked.append(("after", await asyncio.wait_for(session.input.read(4096), 5)))
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError, asyncssh.Error):
        pass


class _Session(asyncssh.SSHServerSession):
    """A channel's bytes, both ways; AsyncSSH's own streams would answer SFTP themselves."""

    def __init__(self, server, connection):
        self.server, self.connection = server, connection
        self.input, self.command = asyncio.StreamReader(), None
        self.may_write = asyncio.Event()
        self.may_write.set()

    def connection_made(self, channel):
        self.channel = channel

    def subsystem_requested(self, subsystem):
        return subsystem == "sftp"

    def exec_requested(self, command):
        self.command = command
        return True

    def session_started(self):
        asyncio.get_event_loop().create_task(self.server.serve(self))

    def data_received(self, data, datatype):
        self.input.feed_data(data)

    def eof_received(self):
        self.input.feed_eof()
        return True

    def connection_lost(self, error):
        self.input.feed_eof()
        self.may_write.set()

    def pause_writing(self):
        self.may_write.clear()

    def resume_writing(self):
        self.may_write.set()

    async def say(self, data):
        await self.may_write.wait()
        self.channel.write(data)


class HostileServer:
    def __init__(self, tree, unasked=False, banner=None):
        self.tree, self.want_unasked, self.banner = tree, unasked, banner
        self.asked, self.unasked = [], []

    def __enter__(self):
        started = threading.Event()
        self.loop = asyncio.new_event_loop()

        async def start():
            self.acceptor = await asyncssh.create_server(
                lambda: _Everybody(self), "127.0.0.1", 0, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")])
            self.port = self.acceptor.sockets[0].getsockname()[1]
            started.set()

        def run():
            asyncio.set_event_loop(self.loop)
            self.loop.create_task(start())
            self.loop.run_forever()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        assert started.wait(30)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)

    async def serve(self, session):
        try:
            if self.want_unasked:
                await self.open_unasked(session.connection)
            if session.command is None:
                await SftpTalk(self.tree, self.asked).run(session)
            elif "scp" in session.command:
                await scp_talk(self.tree, session, session.command, self.asked)
            session.channel.exit(0)
        except Exception as error:
            self.asked.append(("error", repr(error)))
            raise

    async def open_unasked(self, connection):
        """A forwarded port, socket and agent that the client never asked for."""

        async def attempt(name, opening):
            try:
                await asyncio.wait_for(opening, 10)
                self.unasked.append((name, "opened"))
            except (asyncssh.Error, OSError, asyncio.TimeoutError) as error:
                self.unasked.append((name, type(error).__name__))

        session = asyncssh.SSHTCPSession
        await attempt("forwarded-tcpip", connection.create_connection(session, "127.0.0.1", 22, "127.0.0.1", 1))
        await attempt("forwarded-streamlocal", connection.create_unix_connection(asyncssh.SSHUNIXSession, "/tmp/x"))
        # Its own create_agent_connection is honest.
        await attempt("agent", connection.create_agent_channel(65536, 32768).open(session))


class _Everybody(asyncssh.SSHServer):
    def __init__(self, server):
        self.server = server

    def connection_made(self, connection):
        self.connection = connection

    def begin_auth(self, username):
        if self.server.banner:
            self.connection.send_auth_banner(self.server.banner)
        return False

    def session_requested(self):
        return self.connection.create_server_channel(encoding=None), _Session(self.server, self.connection)
