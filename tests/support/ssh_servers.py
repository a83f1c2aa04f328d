"""sluiced and the system's sshd for tests and benchmarks: each on a loopback port with keys of its own, ended for sure.

CPU is what the kernel says of all processes of a server, those that have ended included.
"""
import os
import pathlib
import pwd
import random
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TICK = os.sysconf("SC_CLK_TCK")
USER = pwd.getpwuid(os.getuid()).pw_name


def free_port():
    """Free now, and not one that the kernel gives to outgoing connections: it stays free until its server has started."""
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def answers(path):
    """A Unix socket has its name a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def make_key(path, kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path


def _stat(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rsplit(")", 1)[1].split()


def family_of(pid):
    """A process and all that came from it and are still there."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_stat(entry.name)[1])
            except OSError:
                pass
    members = {pid}
    grown = True
    while grown:
        grown = False
        for child, parent in parents.items():
            if parent in members and child not in members:
                members.add(child)
                grown = True
    return members


class Server:
    """What has a process, a port and a key that lets the calling user in."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = self.folder / "user"
        if not self.key.exists():
            make_key(self.key)
        self.authorized = self.folder / "authorized"
        # A bash that a server started reads the user's .bashrc, with whatever takes its time there, unless it is no first one.
        self.authorized.write_text('environment="SHLVL=1" ' + (self.folder / "user.pub").read_text())
        self.port = free_port()
        self.log = self.folder / "log"
        self.process = None
        self.environment = None  # this one's

    def options(self):
        """For ssh, scp and sftp: nothing of the user's own configuration."""
        return ["-F", "none", "-i", str(self.key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]

    def launch(self, command_for):
        """command_for: what to run, given a port. Somebody else may be quicker to take it: then another one is tried.
        Words alone are for self.port."""
        others = 4 if callable(command_for) else 0
        for port in (self.port, *(free_port() for _ in range(others))):
            self.port = port
            command = [str(word) for word in (command_for(port) if callable(command_for) else command_for)]
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
            if self.listens():
                return self
            if "in use" not in self.log.read_text(errors="replace"):
                break
        self.stop()
        raise RuntimeError(f"{command[0]} did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def listens(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            time.sleep(0.05)
        return False

    def processes(self, name):
        found = []
        for pid in family_of(self.process.pid):
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    found.append(pid)
            except OSError:
                pass
        return found

    def cpu_seconds(self):
        total = 0
        for pid in family_of(self.process.pid):
            try:
                # Ended children that were waited for are in their parent's account.
                total += sum(int(_stat(pid)[i]) for i in (11, 12, 13, 14))
            except OSError:
                pass
        return total / TICK

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(2 if isinstance(self, Sluiced) else 15)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Sluiced(Server):
    def __init__(self, build, folder, *lines, environment=None):
        super().__init__(folder)
        self.program = pathlib.Path(build) / "apps/sluiced/sluiced"
        self.lines = list(lines)
        self.environment = environment

    def start(self):
        lines = [f"login authorized-keys {self.authorized}", "login root yes", "no login strict-modes", "login key-environment SHLVL",
                 *self.lines]
        options = [word for line in lines for word in ("-o", line)]
        return self.launch(lambda port: [self.program, "-D", "-f", "/dev/null", "-p", port, "--listen", "127.0.0.1", "--state-dir",
                                         self.folder / "state", *options])


class Sshd(Server):
    def __init__(self, folder, *options):
        super().__init__(folder)
        self.extra = list(options)

    def start(self):
        host = self.folder / "host"
        if not host.exists():
            make_key(host)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        options = [f"ListenAddress=127.0.0.1", f"AuthorizedKeysFile={self.authorized}", "StrictModes=no", "UsePAM=no",
                   "PermitRootLogin=yes", f"PidFile={self.folder}/pid", "MaxStartups=1000", "MaxSessions=1000",
                   "Subsystem=sftp internal-sftp", "PermitUserEnvironment=yes", *self.extra]
        words = [word for option in options for word in ("-o", option)]
        return self.launch(lambda port: ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", port, "-h", host, *words])
