"""Stock SSH clients against our transport: every key exchange, host key, cipher and MAC that both sides know.

The server is restricted to the combination under test, rekeys every 256 KiB, and echoes; what comes back is compared by
checksum. Pairwise by default; the full cross with SLUICE_TEST_FULL=1.
"""
import asyncio
import hashlib
import os
import pathlib
import subprocess
import tempfile

import pytest

from combinations import AEADS, FULL, HOST_KEYS, KEX, SUITES, agreement, ask, known, pairwise, rekeying_sizes
from quick_pow import lend_to

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
DATA = hashlib.shake_128(b"sluice").digest(max(rekeying_sizes("")))
TIMEOUT = 180
if FULL:
    lend_to("paramiko.kex_group1", "paramiko.kex_gex", "asyncssh.kex_dh")


class EchoServer:
    """One process for many rows: host keys are made once."""

    def __init__(self):
        self.process = subprocess.Popen([BUILD / "tests/interop/echo_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port, *self.fingerprints = self.process.stdout.readline().split()
        self.port = int(port)

    def told(self, *options):
        """What it is to offer from now on; how many exchanges ended since it was told last, and what was agreed on."""
        print(*options, file=self.process.stdin, flush=True)
        exchanges, *agreed = self.process.stdout.readline().split()
        return int(exchanges), agreed

    def end(self):
        self.process.stdin.close()
        return self.process.wait(TIMEOUT)


@pytest.fixture(scope="module")
def servers():
    started = [EchoServer()]
    yield started
    assert [server.end() for server in started] == [0] * len(started)


@pytest.fixture
def server(servers):
    if servers[-1].process.poll() is not None:  # the row that it failed in has said so
        servers.append(EchoServer())
    return servers[-1]


def check_echo(server, exchange, kex, host_key, suite):
    """exchange: given data, what came back."""
    server.told("--kex", kex, "--host-keys", host_key, "--ciphers", suite[0], "--macs", suite[1], "--rekey-bytes", 256 * 1024)
    for size in rekeying_sizes(kex):
        back = exchange(DATA[:size])
        assert hashlib.sha256(back).digest() == hashlib.sha256(DATA[:size]).digest(), f"{len(back)} bytes of {size}"
        exchanges, agreed = server.told()
        assert agreed == agreement(kex, host_key, suite)
        if exchanges >= 2:
            return
    pytest.fail("keys were never changed")


def run(command, data, stdout=subprocess.PIPE, **more):
    done = subprocess.run(command, input=data, stdout=stdout, stderr=subprocess.PIPE, timeout=TIMEOUT, **more)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]
    return done.stdout


OPENSSH_KEX = known(KEX, ask("ssh", "kex"))
OPENSSH_SUITES = [(c, m) for c, m in SUITES if c in ask("ssh", "cipher") and m in ask("ssh", "mac")]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(OPENSSH_KEX, HOST_KEYS, OPENSSH_SUITES))
def test_openssh(server, kex, host_key, suite):
    def exchange(data):
        return run(["ssh", "-F", "none", "-p", str(server.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                    "-o", "LogLevel=ERROR", "-o", f"KexAlgorithms={kex}", "-c", suite[0], "-m", suite[1], "-o",
                    f"HostKeyAlgorithms={host_key}", "x@127.0.0.1", "cat"], data)

    check_echo(server, exchange, kex, host_key, suite)


def test_openssh_with_its_defaults_and_its_own_rekeying():
    server = EchoServer()
    assert run(["ssh", "-F", "none", "-p", str(server.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "-o", "RekeyLimit=1M", "x@127.0.0.1", "cat"], DATA * 2) == DATA * 2
    assert server.told()[0] >= 6
    assert server.end() == 0


PUTTY_KEX = [k for k in KEX if k != "mlkem768x25519-sha256" and not k.endswith("sha1") and k != "sntrup761x25519-sha512"]
PUTTY_SUITES = [(c, m) for c, m in SUITES if m not in ("hmac-md5-96", "hmac-sha1-96", "hmac-md5")
                and m not in ("hmac-sha2-512", "hmac-sha2-512-etm@openssh.com")]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(PUTTY_KEX, HOST_KEYS, PUTTY_SUITES))
def test_plink(server, kex, host_key, suite):
    with tempfile.TemporaryDirectory() as home:
        # plink takes its preferences from a saved session only; old ciphers are below its warning line by default.
        sessions = pathlib.Path(home) / ".putty" / "sessions"
        sessions.mkdir(parents=True)
        (sessions / "sluice").write_text("Protocol=ssh\nCipher=aesgcm,aes,chacha20,3des,WARN\n"
                                         "KEX=ntru-curve25519,ecdh,dh-gex-sha1,dh-group18-sha512,dh-group17-sha512,"
                                         "dh-group16-sha512,dh-group15-sha512,dh-group14-sha1,rsa,WARN,dh-group1-sha1\n")

        def exchange(data):
            fingerprints = [word for one in server.fingerprints for word in ("-hostkey", one)]
            return run(["plink", "-load", "sluice", "-batch", "-ssh", *fingerprints, "-P", str(server.port), "-l", "x", "127.0.0.1",
                        "cat"], data, env=dict(os.environ, HOME=home))

        check_echo(server, exchange, kex, host_key, suite)


DROPBEAR_KEX = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
                "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256"]
DROPBEAR_SUITES = [("chacha20-poly1305@openssh.com", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha2-256"),
                   ("aes256-ctr", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha1"), ("aes256-ctr", "hmac-sha1")]
DROPBEAR_HOST_KEYS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256"]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(DROPBEAR_KEX, DROPBEAR_HOST_KEYS, DROPBEAR_SUITES))
def test_dropbear(server, kex, host_key, suite):
    def exchange(data):
        # Into a file, which takes everything at once: where the end of the channel finds output that a pipe had no room
        # for, dbclient 2022.83 writes it and then waits for ever, with any server.
        with tempfile.TemporaryFile() as output:
            run(["dbclient", "-y", "-y", "-T", "-p", str(server.port), "x@127.0.0.1", "cat"], data, stdout=output)
            output.seek(0)
            return output.read()

    check_echo(server, exchange, kex, host_key, suite)


LIBSSH_KEX = ["curve25519-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
              "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
              "diffie-hellman-group-exchange-sha256"]
LIBSSH_SUITES = [s for s in SUITES if s[0] in AEADS or (s[0] in ("aes128-ctr", "aes192-ctr", "aes256-ctr") and
                 s[1] in ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"))]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(LIBSSH_KEX, HOST_KEYS, LIBSSH_SUITES))
def test_libssh(server, kex, host_key, suite):
    with tempfile.TemporaryDirectory() as home:
        def exchange(data):
            return run([BUILD / "tests/interop/libssh_client", str(server.port)], data, env=dict(os.environ, HOME=home))

        check_echo(server, exchange, kex, host_key, suite)


PARAMIKO_KEX = ["curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
                "diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256"]
PARAMIKO_SUITES = [(c, m) for c, m in SUITES if c not in AEADS and c != "3des-cbc" and m != "hmac-sha1-etm@openssh.com"]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(PARAMIKO_KEX, HOST_KEYS, PARAMIKO_SUITES))
def test_paramiko(server, kex, host_key, suite):
    paramiko = pytest.importorskip("paramiko")

    def exchange(data):
        transport = paramiko.Transport(("127.0.0.1", server.port))
        try:
            transport.start_client(timeout=TIMEOUT)
            transport.auth_none("x")
            channel = transport.open_session()
            channel.exec_command("cat")
            channel.settimeout(TIMEOUT)
            received = bytearray()
            # A little at a time: paramiko does not read while it sends.
            for start in range(0, len(data), 65536):
                piece = data[start:start + 65536]
                channel.sendall(piece)
                while len(received) < start + len(piece) and (more := channel.recv(65536)):
                    received += more
            return bytes(received)
        finally:
            transport.close()

    check_echo(server, exchange, kex, host_key, suite)


ASYNCSSH_KEX = [k for k in KEX if not k.startswith(("mlkem", "sntrup"))]  # it needs liboqs for those


@pytest.mark.parametrize("kex,host_key,suite", pairwise(ASYNCSSH_KEX, HOST_KEYS, SUITES))
def test_asyncssh(server, kex, host_key, suite):
    asyncssh = pytest.importorskip("asyncssh")

    async def cat(port, data):
        async with asyncssh.connect("127.0.0.1", port, username="x", known_hosts=None, client_keys=None, config=None, agent_path=None,
                                    kex_algs=[kex], encryption_algs=[suite[0]], mac_algs=[suite[1]],
                                    server_host_key_algs=[host_key]) as connection:
            async with connection.create_process("cat", encoding=None) as process:
                process.stdin.write(data)
                process.stdin.write_eof()
                return await process.stdout.read()

    check_echo(server, lambda data: asyncio.run(asyncio.wait_for(cat(server.port, data), TIMEOUT)), kex, host_key, suite)
