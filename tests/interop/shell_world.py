"""A sluiced for stock clients' tests of commands and copies: how each client is called, and what is compared."""
import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from ssh_servers import USER, Sluiced  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
TIMEOUT = 180
# Gigabytes on a busy machine.
BULK_TIMEOUT = 600
# One of each kind of suite.
CIPHERS = [["-c", "aes128-gcm@openssh.com"], ["-c", "chacha20-poly1305@openssh.com"],
           ["-c", "aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"]]
# A mebibyte of data for each key: OpenSSH 9.2 adds the bytes of the packet at hand to a count of 16-byte blocks, so that
# with 1M and packets of 64 KB it would change keys at every other packet.
REKEY = ["-o", "RekeyLimit=2M"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sluiced(BUILD, tmp_path_factory.mktemp("server"), "ssh server env-accept LC_*") as running:
        running.host_key = host_key_print(running)
        yield running


def host_key_print(server):
    """For PuTTY, which wants to be told."""
    scan = subprocess.run(["ssh-keyscan", "-T", str(TIMEOUT), "-t", "ed25519", "-p", str(server.port), "127.0.0.1"], capture_output=True,
                          timeout=TIMEOUT, check=True)
    listed = subprocess.run(["ssh-keygen", "-lf", "-"], input=scan.stdout, capture_output=True, check=True)
    return listed.stdout.decode().split()[1]


def run(command, data=None, timeout=TIMEOUT, stdout=subprocess.PIPE, **more):
    return subprocess.run([str(word) for word in command], input=data, stdout=stdout, stderr=subprocess.PIPE, timeout=timeout, **more)


def ssh(server, *options):
    return ["ssh", *server.options(), "-p", server.port, *options, f"{USER}@127.0.0.1"]


def scp(server, *options):
    return ["scp", *server.options(), "-P", server.port, *options]


def putty_key(server):
    """PuTTY reads its own files only."""
    path = server.folder / "user.ppk"
    if not path.exists():
        subprocess.run(["puttygen", server.key, "-O", "private", "-o", path], check=True, capture_output=True)
    return path


def putty(program, server, *options):
    return [program, "-batch", "-hostkey", server.host_key, "-i", putty_key(server), "-P", server.port, *options]


def dropbear_key(server):
    path = server.folder / "user.db"
    if not path.exists():
        subprocess.run(["dropbearconvert", "openssh", "dropbear", server.key, path], check=True, capture_output=True)
    return path


def dbclient(server, *options):
    return ["dbclient", "-y", "-y", "-i", dropbear_key(server), "-p", server.port, *options, f"{USER}@127.0.0.1"]


def digest(data):
    return hashlib.sha256(data).hexdigest()
