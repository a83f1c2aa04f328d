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

from combinations import AEADS, HOST_KEYS, KEX, SUITES, ask, known, pairwise

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
DATA = hashlib.shake_128(b"sluice").digest(16_000_000)
# So much of it. On a busy machine a little may be through before the server has new keys at hand: then more is sent.
SIZES = (1_000_000, 4_000_000, 16_000_000)
TIMEOUT = 180


class Server:
    def __init__(self, kex, host_key, suite):
        self.arguments = ["--kex", kex, "--host-keys", host_key, "--ciphers", suite[0], "--macs", suite[1],
                          "--rekey-bytes", str(256 * 1024)]

    def __enter__(self):
        self.process = subprocess.Popen([BUILD / "tests/interop/echo_server", *self.arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first, *self.fingerprints = self.process.stdout.readline().decode().split()
        self.port = int(first)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.rekeys = int(self.process.stderr.read().split()[0])
        assert self.process.wait(TIMEOUT) == 0


def check_echo(exchange, combination):
    """exchange: given a server and data, what came back."""
    for size in SIZES:
        data = DATA[:size]
        with Server(*combination) as server:
            back = exchange(server, data)
            assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest(), f"{len(back)} bytes of {size}"
        if server.rekeys > 0:
            return
    pytest.fail("keys were never changed")


def run(command, data, **more):
    done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, **more)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]
    return done.stdout


OPENSSH_KEX = known(KEX, ask("ssh", "kex"))
OPENSSH_SUITES = [(c, m) for c, m in SUITES if c in ask("ssh", "cipher") and m in ask("ssh", "mac")]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(OPENSSH_KEX, HOST_KEYS, OPENSSH_SUITES))
def test_openssh(kex, host_key, suite):
    def exchange(server, data):
        return run(["ssh", "-F", "none", "-p", str(server.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                    "-o", "LogLevel=ERROR", "-o", f"KexAlgorithms={kex}", "-c", suite[0], "-m", suite[1], "-o",
                    f"HostKeyAlgorithms={host_key}", "x@127.0.0.1", "cat"], data)

    check_echo(exchange, (kex, host_key, suite))


def test_openssh_with_its_defaults_and_its_own_rekeying():
    process = subprocess.Popen([BUILD / "tests/interop/echo_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    port = int(process.stdout.readline().split()[0])
    done = subprocess.run(["ssh", "-F", "none", "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o",
                           "UserKnownHostsFile=/dev/null", "-o", "RekeyLimit=1M", "x@127.0.0.1", "cat"],
                          input=DATA * 2, capture_output=True, timeout=TIMEOUT)
    process.stdin.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout == DATA * 2
    assert int(process.stderr.read().split()[0]) >= 5


PUTTY_KEX = [k for k in KEX if k != "mlkem768x25519-sha256" and not k.endswith("sha1") and k != "sntrup761x25519-sha512"]
PUTTY_SUITES = [(c, m) for c, m in SUITES if m not in ("hmac-md5-96", "hmac-sha1-96", "hmac-md5")
                and m not in ("hmac-sha2-512", "hmac-sha2-512-etm@openssh.com")]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(PUTTY_KEX, HOST_KEYS, PUTTY_SUITES))
def test_plink(kex, host_key, suite):
    with tempfile.TemporaryDirectory() as home:
        # plink takes its preferences from a saved session only; old ciphers are below its warning line by default.
        sessions = pathlib.Path(home) / ".putty" / "sessions"
        sessions.mkdir(parents=True)
        (sessions / "sluice").write_text("Protocol=ssh\nCipher=aesgcm,aes,chacha20,3des,WARN\n"
                                         "KEX=ntru-curve25519,ecdh,dh-gex-sha1,dh-group18-sha512,dh-group17-sha512,"
                                         "dh-group16-sha512,dh-group15-sha512,dh-group14-sha1,rsa,WARN,dh-group1-sha1\n")

        def exchange(server, data):
            fingerprints = [word for one in server.fingerprints for word in ("-hostkey", one)]
            return run(["plink", "-load", "sluice", "-batch", "-ssh", *fingerprints, "-P", str(server.port), "-l", "x", "127.0.0.1",
                        "cat"], data, env=dict(os.environ, HOME=home))

        check_echo(exchange, (kex, host_key, suite))


DROPBEAR_KEX = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
                "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256"]
DROPBEAR_SUITES = [("chacha20-poly1305@openssh.com", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha2-256"),
                   ("aes256-ctr", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha1"), ("aes256-ctr", "hmac-sha1")]
DROPBEAR_HOST_KEYS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256"]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(DROPBEAR_KEX, DROPBEAR_HOST_KEYS, DROPBEAR_SUITES))
def test_dropbear(kex, host_key, suite):
    def exchange(server, data):
        return run(["dbclient", "-y", "-y", "-T", "-p", str(server.port), "x@127.0.0.1", "cat"], data)

    check_echo(exchange, (kex, host_key, suite))


LIBSSH_KEX = ["curve25519-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
              "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
              "diffie-hellman-group-exchange-sha256"]
LIBSSH_SUITES = [s for s in SUITES if s[0] in AEADS or (s[0] in ("aes128-ctr", "aes192-ctr", "aes256-ctr") and
                 s[1] in ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"))]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(LIBSSH_KEX, HOST_KEYS, LIBSSH_SUITES))
def test_libssh(kex, host_key, suite):
    with tempfile.TemporaryDirectory() as home:
        def exchange(server, data):
            return run([BUILD / "tests/interop/libssh_client", str(server.port)], data, env=dict(os.environ, HOME=home))

        check_echo(exchange, (kex, host_key, suite))


PARAMIKO_KEX = ["curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
                "diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256"]
PARAMIKO_SUITES = [(c, m) for c, m in SUITES if c not in AEADS and c != "3des-cbc" and m != "hmac-sha1-etm@openssh.com"]


@pytest.mark.parametrize("kex,host_key,suite", pairwise(PARAMIKO_KEX, HOST_KEYS, PARAMIKO_SUITES))
def test_paramiko(kex, host_key, suite):
    paramiko = pytest.importorskip("paramiko")

    def exchange(server, data):
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

    check_echo(exchange, (kex, host_key, suite))


ASYNCSSH_KEX = [k for k in KEX if not k.startswith(("mlkem", "sntrup"))]  # it needs liboqs for those


@pytest.mark.parametrize("kex,host_key,suite", pairwise(ASYNCSSH_KEX, HOST_KEYS, SUITES))
def test_asyncssh(kex, host_key, suite):
    asyncssh = pytest.importorskip("asyncssh")

    async def cat(port, data):
        async with asyncssh.connect("127.0.0.1", port, username="x", known_hosts=None, client_keys=None, config=None, agent_path=None,
                                    kex_algs=[kex], encryption_algs=[suite[0]], mac_algs=[suite[1]],
                                    server_host_key_algs=[host_key]) as connection:
            async with connection.create_process("cat", encoding=None) as process:
                process.stdin.write(data)
                process.stdin.write_eof()
                return await process.stdout.read()

    check_echo(lambda server, data: asyncio.run(asyncio.wait_for(cat(server.port, data), TIMEOUT)), (kex, host_key, suite))
