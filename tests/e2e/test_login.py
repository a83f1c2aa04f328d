"""Stock clients log in: by key, password and dialogue, over the real transport, with the monitor in its own process."""
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
DATA = os.urandom(300_000)
TIMEOUT = 60
KEY_TYPES = [("ed25519", []), ("ecdsa", ["-b", "256"]), ("ecdsa", ["-b", "384"]), ("ecdsa", ["-b", "521"]), ("rsa", ["-b", "2048"])]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    keys = []
    for i, (kind, bits) in enumerate(KEY_TYPES):
        keys.append(folder / f"key{i}")
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-f", keys[-1]], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "stranger"], check=True)
    authorized = folder / "authorized_keys"
    authorized.write_text("".join(key.with_name(key.name + ".pub").read_text() for key in keys))
    process = subprocess.Popen([BUILD / "tests/e2e/login_server", "ann", "right pw", authorized, folder / "host"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    first, *fingerprints = process.stdout.readline().decode().split()
    yield {"port": int(first), "fingerprints": fingerprints, "keys": keys, "stranger": folder / "stranger", "folder": folder}
    process.stdin.close()
    assert process.wait(TIMEOUT) == 0


def ssh(world, *options, environment=None, user="ann"):
    command = ["ssh", "-F", "none", "-p", str(world["port"]), "-o", "StrictHostKeyChecking=no", "-o",
               "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentityAgent=none", *options,
               f"{user}@127.0.0.1", "cat"]
    return subprocess.run(command, input=DATA, capture_output=True, timeout=TIMEOUT, env=environment)


@pytest.mark.parametrize("key", range(len(KEY_TYPES)))
def test_a_listed_key_of_each_type_gets_in(world, key):
    done = ssh(world, "-i", world["keys"][key], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "RekeyLimit=1M")
    assert done.returncode == 0, done.stderr
    assert done.stdout == DATA


@pytest.mark.parametrize("user", ["ann", "nobody-here"])
def test_a_strange_key_or_user_is_refused(world, user):
    done = ssh(world, "-i", world["stranger"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", user=user)
    assert done.returncode == 255
    assert b"Permission denied (publickey,password,keyboard-interactive)" in done.stderr


def asking(world, password):
    """An environment in which ssh asks a program for the password."""
    script = world["folder"] / "askpass"
    script.write_text(f"#!/bin/sh\necho '{password}'\n")
    script.chmod(0o700)
    return dict(os.environ, SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_the_password_gets_in_by_both_methods_and_a_wrong_one_does_not(world, method):
    options = ["-o", f"PreferredAuthentications={method}", "-o", "PubkeyAuthentication=no"]
    done = ssh(world, *options, environment=asking(world, "right pw"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == DATA
    done = ssh(world, *options, environment=asking(world, "wrong"))
    assert done.returncode == 255
    assert done.stdout == b""


def test_plink_gets_in_by_password(world):
    prints = [word for one in world["fingerprints"] for word in ("-hostkey", one)]
    done = subprocess.run(["plink", "-batch", "-ssh", *prints, "-P", str(world["port"]), "-l", "ann", "-pw", "right pw",
                           "127.0.0.1", "cat"], input=DATA, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == DATA


def test_paramiko_gets_in_by_key(world):
    paramiko = pytest.importorskip("paramiko")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", world["port"], "ann", key_filename=str(world["keys"][4]), allow_agent=False,
                   look_for_keys=False, timeout=TIMEOUT)
    stdin, stdout, _ = client.exec_command("cat")
    stdin.write(DATA[:50_000])
    stdin.channel.shutdown_write()
    assert stdout.read() == DATA[:50_000]
    client.close()


def test_a_client_that_only_looks_is_told_the_methods(world):
    done = ssh(world, "-o", "PreferredAuthentications=none")
    assert b"Permission denied (publickey,password,keyboard-interactive)" in done.stderr


# What ssh-audit holds against algorithms that many clients still need; `crypto policy modern` will leave them out.
EXPECTED_FAILURES = ("ecdh-sha2-nistp", "ecdsa-sha2-nistp")


def test_ssh_audit_fails_nothing_but_the_nist_curves(world):
    done = subprocess.run(["ssh-audit", "-n", "-p", str(world["port"]), "127.0.0.1"], capture_output=True, text=True,
                          timeout=TIMEOUT)
    assert "(kex) curve25519-sha256" in done.stdout, done.stdout + done.stderr
    # (kex) ecdh-sha2-nistp256     -- [fail] using weak elliptic curves
    failed = [line.split()[1] for line in done.stdout.splitlines() if "[fail]" in line]
    assert [name for name in failed if not name.startswith(EXPECTED_FAILURES)] == []
