"""Stock clients log in: by key, password and dialogue, over the real transport, with the monitor in its own process."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
DATA = os.urandom(300_000)
TIMEOUT = 180
# Limits of time are tried short first: on a busy machine a client may miss one that it would keep, and is given a longer one.
SCALES = (1, 4, 16)
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
    # The failed logins of these tests come from one address: it is not to be held against it here.
    with serving(folder, authorized, "threshold-ms=100000000") as server:
        yield {**server, "keys": keys, "stranger": folder / "stranger", "folder": folder, "authorized": authorized}


@contextlib.contextmanager
def serving(folder, authorized, *settings):
    process = subprocess.Popen([BUILD / "tests/e2e/login_server", "ann", "right pw", authorized, folder / "host", *settings],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        first, *fingerprints = process.stdout.readline().decode().split()
        yield {"port": int(first), "fingerprints": fingerprints}
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()


class Cat:
    """A stock client that runs cat, as long as it is wanted."""

    def __init__(self, world, server):
        self.process = subprocess.Popen(["ssh", "-F", "none", "-p", str(server["port"]), "-o", "StrictHostKeyChecking=no", "-o",
                                         "UserKnownHostsFile=/dev/null", "-o", "IdentityAgent=none", *by_key(world), "ann@127.0.0.1", "cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def echoes(self, text):
        try:
            self.process.stdin.write(text)
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return self.process.stdout.read(len(text)) == text


def ssh(world, *options, environment=None, user="ann"):
    # Of an option that comes twice ssh takes the first.
    command = ["ssh", "-F", "none", "-p", str(world["port"]), *options, "-o", "StrictHostKeyChecking=no", "-o",
               "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentityAgent=none", f"{user}@127.0.0.1", "cat"]
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


# What ssh-audit holds against algorithms that many clients still need; `crypto policy modern` leaves them out.
EXPECTED_FAILURES = ("ecdh-sha2-nistp", "ecdsa-sha2-nistp")


def audit_failures(port):
    done = subprocess.run(["ssh-audit", "-n", "-p", str(port), "127.0.0.1"], capture_output=True, text=True, timeout=TIMEOUT)
    assert "(kex) curve25519-sha256" in done.stdout, done.stdout + done.stderr
    # (kex) ecdh-sha2-nistp256     -- [fail] using weak elliptic curves
    return [line.split()[1] for line in done.stdout.splitlines() if "[fail]" in line]


def test_ssh_audit_fails_nothing_but_the_nist_curves(world):
    failed = audit_failures(world["port"])
    assert failed and [name for name in failed if not name.startswith(EXPECTED_FAILURES)] == []


def test_ssh_audit_fails_nothing_of_the_modern_policy_and_stock_ssh_connects(world):
    with serving(world["folder"], world["authorized"], "modern=1") as server:
        assert audit_failures(server["port"]) == []
        done = ssh({**world, **server}, *by_key(world))
        assert done.returncode == 0 and done.stdout == DATA, done.stderr


def by_key(world, key=0):
    return ["-i", world["keys"][key], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]


def learn(world, known, *options):
    """ssh asks for proofs only where it knew the host's key before, and only as long as the session lasts."""
    for _ in range(20):
        done = ssh(world, "-o", f"UserKnownHostsFile={known}", "-o", "UpdateHostKeys=yes", *options, *by_key(world))
        assert done.returncode == 0, done.stderr
        if len(known.read_text().splitlines()) > 1:
            return


def test_the_client_learns_the_other_host_keys_that_the_server_proves(world):
    known = world["folder"] / "known"
    learn(world, known)
    kinds = {line.split()[1] for line in known.read_text().splitlines()}
    assert {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"} <= kinds
    # The keys are the right ones: each may be the only one that is known.
    for algorithm in ("rsa-sha2-256", "ecdsa-sha2-nistp521"):
        done = ssh(world, "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", f"HostKeyAlgorithms={algorithm}",
                   *by_key(world))
        assert done.returncode == 0, done.stderr


def test_proofs_come_when_the_host_key_of_the_exchange_was_rsa(world):
    known = world["folder"] / "known_rsa"
    learn(world, known, "-o", "HostKeyAlgorithms=rsa-sha2-256,ssh-ed25519")
    assert any(line.split()[1] == "ssh-ed25519" for line in known.read_text().splitlines())


def test_a_client_that_answers_is_kept_and_one_that_is_stopped_is_ended(world):
    for scale in SCALES:
        interval = 0.2 * scale
        with serving(world["folder"], world["authorized"], f"alive-interval-ms={int(interval * 1000)}", "alive-count-max=2") as server:
            with Cat(world, server) as client:
                client.echoes(b"hello")
                time.sleep(5 * interval)
                if not client.echoes(b"still here"):
                    continue
                client.process.send_signal(signal.SIGSTOP)
                time.sleep(5 * interval + 2)
                client.process.send_signal(signal.SIGCONT)
                # Without an end from the server it would wait for its input for ever.
                assert client.process.wait(TIMEOUT) == 255
                return
    pytest.fail("a client that answers was ended")


def test_the_operator_rekeys_sessions_while_data_flows(world):
    with serving(world["folder"], world["authorized"], "rekey-every-ms=100") as server:
        command = ["ssh", "-v", "-F", "none", "-p", str(server["port"]), "-o", "StrictHostKeyChecking=no", "-o",
                   "UserKnownHostsFile=/dev/null", "-o", "IdentityAgent=none", *by_key(world), "ann@127.0.0.1", "source 200000000"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        assert done.returncode == 0 and len(done.stdout) == 200_000_000
        assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") >= 2


def first_line(port, patience=TIMEOUT):
    """What a server says first, and whether it then ends the connection."""
    with socket.create_connection(("127.0.0.1", port), patience) as connection:
        stream = connection.makefile("rb")
        return stream.readline()


def test_the_fourth_password_is_not_looked_at(world):
    with serving(world["folder"], world["authorized"], "threshold-ms=100000000") as server:
        count = world["folder"] / "asked"
        count.write_text("")
        script = world["folder"] / "count_askpass"
        script.write_text(f"#!/bin/sh\necho x >> {count}\necho wrong\n")
        script.chmod(0o700)
        environment = dict(os.environ, SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
        done = ssh({**world, **server}, "-o", "PreferredAuthentications=password", "-o", "PubkeyAuthentication=no", "-o",
                   "NumberOfPasswordPrompts=6", environment=environment)
        assert done.returncode == 255
        assert count.read_text().count("x") == 3


def test_who_does_not_log_in_is_ended_in_time(world):
    with serving(world["folder"], world["authorized"], "login-timeout-ms=300") as server:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server["port"]), TIMEOUT) as silent:
            assert silent.makefile("rb").read().startswith(b"SSH-2.0-")
        assert 0.2 < time.monotonic() - began < TIMEOUT


def test_a_login_that_was_in_time_stays(world):
    for scale in SCALES:
        limit = 2 * scale
        with serving(world["folder"], world["authorized"], f"login-timeout-ms={limit * 1000}") as server, Cat(world, server) as client:
            if not client.echoes(b"in time"):
                continue
            time.sleep(limit + 0.5)
            assert client.echoes(b"still here")
            return
    pytest.fail("no login was in time")


def gets_in_soon(world, server):
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if ssh({**world, **server}, *by_key(world)).returncode == 0:
            return True
        time.sleep(0.05)
    return False


def test_the_rate_and_the_number_of_sessions_are_limited(world):
    with serving(world["folder"], world["authorized"], "rate=2") as server:
        lines = [first_line(server["port"]) for _ in range(3)]
        assert lines[0].startswith(b"SSH-2.0-") and lines[1].startswith(b"SSH-2.0-")
        assert lines[2] == b"Too many connections a minute: try again later.\r\n"
    with serving(world["folder"], world["authorized"], "sessions=1") as server:
        with socket.create_connection(("127.0.0.1", server["port"]), TIMEOUT) as held:
            assert held.recv(8) == b"SSH-2.0-"
            assert first_line(server["port"]) == b"Too many sessions: try again later.\r\n"
            assert ssh({**world, **server}, *by_key(world)).returncode == 255
        # A place that is given up is free, soon.
        assert gets_in_soon(world, server), "the place never became free"


def test_one_source_may_not_hold_all_places_for_strangers(world):
    with serving(world["folder"], world["authorized"], "per-source=2", "proxies=1") as server:
        def come(last):
            header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, last, 127, 0, 0, 1, 0x9c, 0x40, 0, 22])
            connection = socket.create_connection(("127.0.0.1", server["port"]), TIMEOUT)
            connection.sendall(header)
            return connection, connection.makefile("rb").readline()

        held = [come(1), come(1), come(1), come(2)]
        assert [line[:8] for _, line in held] == [b"SSH-2.0-", b"SSH-2.0-", b"Too many", b"SSH-2.0-"]
        for connection, _ in held:
            connection.close()


def test_failed_logins_earn_a_penalty(world):
    for scale in SCALES:
        # Half a second's debt, times the scale, is above the threshold.
        with serving(world["folder"], world["authorized"], f"failed-login-ms={1500 * scale}", f"threshold-ms={1000 * scale}") as server:
            options = ["-i", world["stranger"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
            assert ssh({**world, **server}, *options).returncode == 255
            if not any(first_line(server["port"]).startswith(b"Not allowed now") for _ in range(20)):
                continue
            assert gets_in_soon(world, server), "debts melt"
            return
    pytest.fail("no failed login was held against its source")
