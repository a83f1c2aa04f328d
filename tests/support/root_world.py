"""A sluiced that serves the system's users as root, in a mount namespace whose /etc, /home, /run and logs are its own.

Two users, ann and bob, with keys, a password and homes; nothing of it is there outside, and nothing is left of it.
"""
import itertools
import os
import pathlib
import socket
import subprocess
import time

from tests.support.ssh_servers import Server, family_of, make_key

PASSWORD = "correct horse"
USERS = ("ann", "bob")

# Whatever is changed below here is changed in this namespace alone.
SETUP = r"""
set -e
mount -t tmpfs -o mode=755 scratch /mnt
mkdir /mnt/up /mnt/work
mount -t overlay private -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc
mount -t tmpfs -o mode=755 home /home
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 logs /var/log
mount -t devpts -o newinstance,mode=600,ptmxmode=666 terminals /dev/pts
for f in /run/utmp /var/log/wtmp /var/log/lastlog /var/log/btmp; do : > $f; chgrp utmp $f; chmod 664 $f; done
chmod 660 /var/log/btmp
groupadd -g 61100 sluicers
for user in ann:61001 bob:61002; do
  name=${user%:*}
  useradd -m -u ${user#*:} -U -s /bin/sh -p "$HASH" $name 2>/dev/null
  chmod 700 /home/$name
  mkdir -m 700 /home/$name/.ssh
  cp "$FOLDER/$name.pub" /home/$name/.ssh/authorized_keys
  chown -R $name:$name /home/$name/.ssh
done
usermod -a -G sluicers ann
printf 'Welcome to the test.\n' > /etc/motd
sh -c "$EXTRA"
exec "$@"
"""


def available():
    return os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


class RootWorld(Server):
    """`extra`: shell commands that run inside before the server does."""

    def __init__(self, build, folder, *lines, extra=":", rotate=False):
        super().__init__(folder)
        self.program = pathlib.Path(build) / "apps/sluiced/sluiced"
        self.lines = list(lines)
        self.extra = extra
        # Failed logins earn their address a penalty: with `rotate` each connection comes from another one.
        self.rotate = rotate
        self.addresses = itertools.cycle(f"127.0.{i}.{j}" for i in range(1, 5) for j in range(1, 250))
        for name in USERS:
            if not (self.folder / name).exists():
                make_key(self.folder / name)

    def start(self):
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout.strip()
        options = [word for line in self.lines for word in ("-o", line)]
        server = [self.program, "-D", "-f", "/dev/null", "-p", self.port, "--listen", "127.0.0.1", "--state-dir", self.folder / "state",
                  *options]
        settings = [f"FOLDER={self.folder}", f"HASH={hashed}", f"EXTRA={self.extra}"]
        return self.launch(["env", *settings, "unshare", "-m", "--propagation", "private", "sh", "-c", SETUP, "sh", *server])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(2)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def inside(self, *words, check=True, **more):
        """A command of root's in the namespace."""
        return subprocess.run(["nsenter", "-t", str(self.process.pid), "-m", "--", *[str(word) for word in words]], capture_output=True,
                              text=True, timeout=60, check=check, **more)

    def path(self, name):
        """Of a file inside, seen from here."""
        return pathlib.Path(f"/proc/{self.process.pid}/root{name}")

    def login_options(self, user):
        return ["-F", "none", "-i", str(self.folder / user), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]

    def ssh(self, user, *words, options=(), **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.ssh_command(user, *words, options=options), capture_output=True, text=True, timeout=120, **more)

    def ssh_command(self, user, *words, options=()):
        options = ("-b", next(self.addresses), *options) if self.rotate else options
        return ["ssh", *self.login_options(user), "-p", str(self.port), *options, f"{user}@127.0.0.1", *words]

    def connect(self):
        """A socket to the server."""
        return socket.create_connection(("127.0.0.1", self.port), 60, (next(self.addresses) if self.rotate else "127.0.0.1", 0))

    def terminal(self, user, typed, options=()):
        """What a shell on a terminal says when all of this is typed at once."""
        done = subprocess.run(self.ssh_command(user, options=("-tt", *options)), input=typed, capture_output=True, text=True, timeout=120)
        return done.stdout.replace("\r\n", "\n")


def eventually(true, what, seconds=60):
    """Waits until it is true; the answer is what made it so."""
    deadline = time.monotonic() + seconds
    while True:
        answer = true()
        if answer:
            return answer
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
