"""Foreign servers for tests, each on a loopback port of the kernel's choice, with accounts of its own.

Programs are started like inetd does, one for each connection, with the connection as their standard input: no port is
guessed and nothing outlives its test. nss_wrapper and pam_wrapper give them an account "ann" that the system lacks.
"""
import asyncio
import contextlib
import inspect
import os
import pathlib
import shutil
import socket
import subprocess
import threading

PASSWORD = "right pw"
NEW_PASSWORD = "newer pw"
TIMEOUT = 180
KEY_TYPES = {"ssh-ed25519": ("ed25519", []), "ecdsa-sha2-nistp256": ("ecdsa", ["-b", "256"]),
             "ecdsa-sha2-nistp384": ("ecdsa", ["-b", "384"]), "ecdsa-sha2-nistp521": ("ecdsa", ["-b", "521"]),
             "ssh-rsa": ("rsa", ["-b", "2048"])}
PAM_MATRIX = next(pathlib.Path("/usr/lib").glob("*/pam_wrapper/pam_matrix.so"), None)


class Keys:
    """Host keys and user keys of every type, made once."""

    def __init__(self, folder):
        self.folder = folder
        self.host, self.user = {}, {}
        for name, (kind, bits) in KEY_TYPES.items():
            for owner in ("host", "user"):
                path = folder / f"{owner}_{name}"
                subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-m", "PEM" if kind == "rsa" else "RFC4716", "-N", "",
                                "-f", path], check=True)
                getattr(self, owner)[name] = path
        self.sealed = folder / "sealed"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "phrase", "-f", self.sealed], check=True)
        self.authorized = folder / "home" / ".ssh" / "authorized_keys"
        self.authorized.parent.mkdir(parents=True, mode=0o700)
        public = [*self.user.values(), self.sealed]
        self.authorized.write_text("".join(path.with_name(path.name + ".pub").read_text() for path in public))
        self.authorized.chmod(0o600)
        # Dropbear looks at every folder up to the root.
        for path in (self.authorized.parent, folder / "home", folder):
            path.chmod(0o700)


def wrapped(folder, home, pam=False):
    """An environment in which there is an account "ann" with our own user id."""
    if os.geteuid() == 0:
        # Where sshd locks in the process that has no rights yet.
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    accounts = folder / "accounts"
    accounts.mkdir(exist_ok=True)
    (accounts / "passwd").write_text(f"ann:x:{os.geteuid()}:{os.getegid()}::{home}:/bin/sh\n"
                                     "sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n")
    (accounts / "group").write_text(f"ann:x:{os.getegid()}:\nnogroup:x:65534:\n")
    hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True)
    (accounts / "shadow").write_text(f"ann:{hashed.stdout.strip()}:19000:0:99999:7:::\n")
    (accounts / "passdb").write_text(f"ann:{PASSWORD}:sshd\n")
    (accounts / "pam.d").mkdir(exist_ok=True)
    (accounts / "pam.d" / "sshd").write_text("".join(f"{kind} required {PAM_MATRIX} passdb={accounts / 'passdb'}\n" for kind in
                                                     ("auth", "account", "password", "session")))
    environment = dict(os.environ, LD_PRELOAD="libnss_wrapper.so", NSS_WRAPPER_PASSWD=str(accounts / "passwd"),
                       NSS_WRAPPER_GROUP=str(accounts / "group"), NSS_WRAPPER_SHADOW=str(accounts / "shadow"))
    if pam:
        environment.update(LD_PRELOAD="libnss_wrapper.so:libpam_wrapper.so", PAM_WRAPPER="1",
                           PAM_WRAPPER_SERVICE_DIR=str(accounts / "pam.d"))
    return environment


class InetdServer:
    def __init__(self, command, environment, log):
        self.command, self.environment, self.log = command, environment, log
        self.children, self.numbers = [], set()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            # pam_wrapper has room for some sixty processes and counts those that nobody waited for.
            self.children = [child for child in self.children if child.poll() is None]
            with connection, open(self.log, "wb") as log:
                self.children.append(subprocess.Popen(self.command, env=self.environment, stdin=connection,
                                                      stdout=connection, stderr=log))
                self.numbers.add(str(self.children[-1].pid))

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(TIMEOUT)
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        # pam_wrapper cleans up in processes that end by exit() alone, and sshd does not.
        for mark in pathlib.Path("/tmp").glob("pam.?/pid"):
            # Somebody else's may go at any time.
            with contextlib.suppress(OSError):
                if mark.read_text().strip() in self.numbers:
                    shutil.rmtree(mark.parent)


def sshd(keys, folder, extra="", lists=(), pam=True):
    config = folder / "sshd_config"
    lines = [f"HostKey {path}" for path in keys.host.values()]
    lines += ["PidFile none", "UsePAM " + ("yes" if pam else "no"), "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication yes",
              "KbdInteractiveAuthentication yes", f"AuthorizedKeysFile {keys.authorized}", *lists, extra]
    config.write_text("\n".join(lines) + "\n")
    # An absolute path: sshd starts itself again.
    program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
    return InetdServer([program, "-i", "-e", "-f", config], wrapped(folder, keys.folder / "home", pam), folder / "sshd.log")


# Dropbear holds four host keys at most, and libssh one ECDSA key: a server for each size.
HOST_KEY_SETS = [["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"], ["ecdsa-sha2-nistp384"], ["ecdsa-sha2-nistp521"]]


def holder(servers, host_key):
    """Which of those servers has the key for this algorithm."""
    return servers[next((i for i, names in enumerate(HOST_KEY_SETS) if host_key in names), 0)]


def dropbear(keys, folder, host_keys=HOST_KEY_SETS[0]):
    command = ["dropbear", "-i"]
    for name in host_keys:
        path = folder / f"dropbear_{name}"
        if not path.exists():
            subprocess.run(["dropbearconvert", "openssh", "dropbear", keys.host[name], path], check=True, capture_output=True)
        command += ["-r", path]
    return InetdServer(command, wrapped(folder, keys.folder / "home"), folder / "dropbear.log")


def libssh(keys, folder, program, host_keys=HOST_KEY_SETS[0]):
    command = [program, keys.authorized, *(keys.host[name] for name in host_keys)]
    return InetdServer(command, dict(os.environ), folder / "libssh.log")


class ParamikoServer:
    """Echoes what a command called "cat" is sent. An open one refuses keys and lets in whoever asks for nothing."""

    def __init__(self, keys, rekey_bytes=None, open_to_all=False):
        import paramiko
        self.paramiko = paramiko
        self.host_keys = [paramiko.Ed25519Key(filename=str(keys.host["ssh-ed25519"])),
                          *(paramiko.ECDSAKey(filename=str(keys.host[f"ecdsa-sha2-nistp{bits}"])) for bits in (256, 384, 521)),
                          paramiko.RSAKey(filename=str(keys.host["ssh-rsa"]))]
        self.allowed = {line.split()[1] for line in keys.authorized.read_text().splitlines()}
        self.rekey_bytes = rekey_bytes
        self.open_to_all = open_to_all
        self.transports = []

    def account(self):
        paramiko, allowed, open_to_all = self.paramiko, set() if self.open_to_all else self.allowed, self.open_to_all

        class Account(paramiko.ServerInterface):
            def get_allowed_auths(self, user):
                return "publickey,password,keyboard-interactive"

            def check_auth_none(self, user):
                return paramiko.AUTH_SUCCESSFUL if open_to_all else paramiko.AUTH_FAILED

            def check_auth_publickey(self, user, key):
                return paramiko.AUTH_SUCCESSFUL if key.get_base64() in allowed else paramiko.AUTH_FAILED

            def check_auth_password(self, user, password):
                return paramiko.AUTH_SUCCESSFUL if (user, password) == ("ann", PASSWORD) else paramiko.AUTH_FAILED

            def check_auth_interactive(self, user, submethods):
                return paramiko.InteractiveQuery("Dialogue", "Two questions.", ("Password: ", False), ("Colour: ", True))

            def check_auth_interactive_response(self, answers):
                return paramiko.AUTH_SUCCESSFUL if answers == [PASSWORD, "green"] else paramiko.AUTH_FAILED

            def check_channel_request(self, kind, number):
                return paramiko.OPEN_SUCCEEDED

            def check_channel_exec_request(self, channel, command):
                threading.Thread(target=echo, args=(channel,), daemon=True).start()
                return True

        def echo(channel):
            while data := channel.recv(32768):
                channel.sendall(data)
            channel.send_exit_status(0)
            channel.close()

        return Account()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.transports = [one for one in self.transports if one.is_active()]
            transport = self.paramiko.Transport(connection)
            for key in self.host_keys:
                transport.add_server_key(key)
            if self.rekey_bytes:
                transport.packetizer.REKEY_BYTES = self.rekey_bytes
            self.transports.append(transport)
            try:
                transport.start_server(server=self.account())
            except (self.paramiko.SSHException, EOFError):
                transport.close()

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(TIMEOUT)
        for transport in self.transports:
            transport.close()


def keep_data_back_during_key_exchange(connection_class):
    """RFC 4253 section 7.1. AsyncSSH does, but Debian's patch for strict key exchange (2.10.1-2+deb12u1) lost the lines,
    and its data between a KEXINIT and NEWKEYS ends our connections, as it should. Put back here where they are missing."""
    unpatched = connection_class.send_packet
    if "MSG_KEX_LAST" in inspect.getsource(unpatched):
        return

    def send_packet(self, number, *arguments, **options):
        # Nor is this patched again: it names MSG_KEX_LAST, which is 49.
        if self._auth_complete and self._kex_complete and self._rekey_bytes_sent >= self._rekey_bytes:
            self._send_kexinit()
            self._kexinit_sent = True
        if self._auth_complete and not self._kex_complete and number > 49:
            self._deferred_packets.append((number, arguments))
        else:
            unpatched(self, number, *arguments, **options)

    connection_class.send_packet = send_packet


class AsyncSshServer:
    def __init__(self, keys, algorithms, rekey_bytes=1 << 30):
        self.keys, self.algorithms, self.rekey_bytes = keys, algorithms, rekey_bytes
        self.ready = threading.Event()

    def account(self):
        import asyncssh

        class Account(asyncssh.SSHServer):
            def begin_auth(self, user):
                return True

            def password_auth_supported(self):
                return True

            def validate_password(self, user, password):
                if password == "old pw":
                    raise asyncssh.PasswordChangeRequired("Your password has expired.")
                return (user, password) == ("ann", PASSWORD)

            def change_password(self, user, old, new):
                return (old, new) == ("old pw", NEW_PASSWORD)

            def kbdint_auth_supported(self):
                return True

            def get_kbdint_challenge(self, user, language, submethods):
                self.rounds = 0
                return "Dialogue", "Two rounds.", "", [("Password: ", False)]

            def validate_kbdint_response(self, user, answers):
                self.rounds += 1
                if self.rounds == 1 and list(answers) == [PASSWORD]:
                    return "", "", "", [("Colour: ", True), ("Number: ", True)]
                return self.rounds == 2 and list(answers) == ["green", "7"]

        return Account

    async def serve(self):
        import asyncssh

        keep_data_back_during_key_exchange(asyncssh.connection.SSHConnection)

        async def echo(process):
            while data := await process.stdin.read(65536):
                process.stdout.write(data)
                await process.stdout.drain()
            process.exit(0)

        self.stop = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        server = await asyncssh.create_server(
            self.account(), "127.0.0.1", 0, server_host_keys=[str(path) for path in self.keys.host.values()],
            authorized_client_keys=str(self.keys.authorized), process_factory=echo, encoding=None, rekey_bytes=self.rekey_bytes, **self.algorithms)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.stop.wait()
        server.close()

    def __enter__(self):
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self.thread.start()
        assert self.ready.wait(TIMEOUT)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(TIMEOUT)
