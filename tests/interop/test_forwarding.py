"""Stock clients forward through sluiced: ports and sockets both ways, SOCKS, one stream on standard input, agents."""
import contextlib
import hashlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from ssh_servers import USER, Sluiced, free_port, make_key  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
TIMEOUT = 180
DATA = os.urandom(8 << 20)
ALL = [f"ssh server port-forwarding {word}" for word in ("local", "remote", "unix-local", "unix-remote", "agent")]
CIPHERS = [["-c", "aes128-gcm@openssh.com"], ["-c", "chacha20-poly1305@openssh.com", "-o", "RekeyLimit=1M"],
           ["-c", "aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sluiced(BUILD, tmp_path_factory.mktemp("server"), *ALL) as running:
        yield running


class Target:
    """Reads to the end, then answers with the digest of what came and with that itself: both directions end by themselves."""

    def __init__(self, listener):
        self.listener = listener
        listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    @staticmethod
    def answer(peer):
        with peer, contextlib.suppress(OSError):
            data = read_all(peer)
            peer.sendall(hashlib.sha256(data).hexdigest().encode() + data)


def read_all(peer):
    parts = []
    while part := peer.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
def target():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Target(listener).listener.getsockname()[1]


def exchange(peer, data=DATA):
    """Sends all, ends its direction, and expects the target's answer."""
    peer.settimeout(TIMEOUT)
    with peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        answer = read_all(peer)
    assert answer[:64].decode() == hashlib.sha256(data).hexdigest()
    assert answer[64:] == data


def connect(where):
    """To what begins to listen soon."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        peer = socket.socket(socket.AF_INET if isinstance(where, int) else socket.AF_UNIX)
        try:
            peer.connect(("127.0.0.1", where) if isinstance(where, int) else str(where))
            return peer
        except OSError:
            peer.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def refused_soon(port):
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
        except OSError:
            return True
        time.sleep(0.05)
    return False


def goes(path):
    """Soon after who made it."""
    deadline = time.monotonic() + TIMEOUT
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not os.path.exists(path)


def ssh(server, *options):
    return ["ssh", *server.options(), "-o", "ExitOnForwardFailure=yes", "-p", str(server.port), *map(str, options),
            f"{USER}@127.0.0.1"]


def end(process):
    """OpenSSH's client looks at its signals and then waits: one that arrives in between is seen at the next event only."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
            return
    process.kill()
    pytest.fail(f"does not end: {process.args}")


@contextlib.contextmanager
def running(command, **more):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    try:
        yield process
    finally:
        end(process)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_local_ports_reach_the_servers_side(server, target, cipher):
    port = free_port()
    with running(ssh(server, "-N", *cipher, "-L", f"{port}:127.0.0.1:{target}")):
        exchange(connect(port))
        # Several at once.
        threads = [threading.Thread(target=exchange, args=(connect(port), DATA[i:i + 500_000])) for i in range(8)]
        failed = []
        threading.excepthook = lambda args: failed.append(args.exc_value)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        threading.excepthook = threading.__excepthook__
        assert not failed


@pytest.mark.parametrize("cipher", CIPHERS)
def test_remote_ports_reach_the_clients_side(server, target, cipher):
    port = free_port()
    with running(ssh(server, "-N", *cipher, "-R", f"{port}:127.0.0.1:{target}")):
        exchange(connect(port))


def test_a_port_of_the_servers_choice_is_told(server, target):
    # Of an option that comes twice ssh takes the first.
    command = ["ssh", "-N", "-o", "LogLevel=INFO", *ssh(server, "-R", f"0:127.0.0.1:{target}")[1:]]
    with running(command) as process:
        text = ""
        while not (told := re.search(r"Allocated port (\d+) for remote forward", text)):
            assert select.select([process.stderr], [], [], TIMEOUT)[0]
            line = process.stderr.readline().decode()
            assert line, text
            text += line
        exchange(connect(int(told[1])))


def test_forwards_come_and_go_while_the_connection_stays(server, target, tmp_path):
    control = ["-o", f"ControlPath={tmp_path}/control"]
    port = free_port()
    with running(ssh(server, "-N", "-M", *control)):
        connect(tmp_path / "control").close()
        def tell(*words):
            return subprocess.run(ssh(server, *control, "-O", *words), capture_output=True, timeout=TIMEOUT)
        for _ in range(2):
            assert tell("forward", "-R", f"{port}:127.0.0.1:{target}").returncode == 0
            exchange(connect(port), b"small")
            assert tell("cancel", "-R", f"{port}:127.0.0.1:{target}").returncode == 0
            # Stock ssh does not wait for the server's answer to it.
            assert refused_soon(port)


def test_one_stream_comes_on_standard_input(server, target):
    done = subprocess.run(ssh(server, "-W", f"127.0.0.1:{target}"), input=DATA, capture_output=True, timeout=TIMEOUT)
    assert done.stdout[:64].decode() == hashlib.sha256(DATA).hexdigest()
    assert done.stdout[64:] == DATA


def test_a_connection_that_cannot_be_made_is_refused(server):
    done = subprocess.run(ssh(server, "-o", "LogLevel=INFO", "-W", f"127.0.0.1:{free_port()}"), input=b"", capture_output=True, timeout=TIMEOUT)
    assert done.returncode != 0
    assert b"" == done.stdout


def test_socks_clients_go_where_they_like(server, target):
    port = free_port()
    with running(ssh(server, "-N", "-D", port)):
        for host in (b"127.0.0.1", b"localhost"):
            peer = connect(port)
            peer.settimeout(TIMEOUT)
            peer.sendall(b"\5\1\0")
            assert peer.recv(2) == b"\5\0"
            peer.sendall(b"\5\1\0\3" + bytes([len(host)]) + host + target.to_bytes(2, "big"))
            reply = peer.recv(10)
            assert reply[:2] == b"\5\0"
            exchange(peer)


def test_sockets_in_the_file_system_are_reached_both_ways(server, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "target"))
        Target(listener)
        with running(ssh(server, "-N", "-L", f"{tmp_path}/local:{tmp_path}/target", "-R", f"{tmp_path}/remote:{tmp_path}/target")):
            exchange(connect(tmp_path / "local"))
            exchange(connect(tmp_path / "remote"))
            assert (tmp_path / "remote").stat().st_mode & 0o777 == 0o600
        assert goes(tmp_path / "remote")


def test_the_clients_agent_is_asked_from_the_far_side(server, tmp_path):
    key = make_key(tmp_path / "held")
    agent = ["ssh-agent", "-D", "-a", str(tmp_path / "agent")]
    with running(agent):
        connect(tmp_path / "agent").close()
        here = dict(os.environ, SSH_AUTH_SOCK=str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", key], env=here, check=True, timeout=TIMEOUT)
        listed = subprocess.run(["ssh-add", "-l"], env=here, capture_output=True, check=True, timeout=TIMEOUT).stdout
        # Of an option that comes twice ssh takes the first.
        command = ["ssh", "-A", "-o", f"IdentityAgent={tmp_path}/agent", *ssh(server)[1:], "ssh-add -l; ls -ld $SSH_AUTH_SOCK"]
        done = subprocess.run(command, env=here, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        assert done.stdout.startswith(listed), done.stderr
        socket_line = done.stdout[len(listed):].decode().split()
        assert socket_line[0].startswith("srw-------")
        assert goes(socket_line[-1])
        # Without -A there is none.
        done = subprocess.run([*ssh(server), 'echo "[$SSH_AUTH_SOCK]"'], capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        assert done.stdout == b"[]\n"


@pytest.mark.skipif(not shutil.which("plink"), reason="plink is not installed")
def test_plink_forwards_both_ways(server, target):
    scan = subprocess.run(["ssh-keyscan", "-t", "ed25519", "-p", str(server.port), "127.0.0.1"], capture_output=True, timeout=TIMEOUT, check=True)
    listed = subprocess.run(["ssh-keygen", "-lf", "-"], input=scan.stdout, capture_output=True, check=True).stdout
    key = server.folder / "plink.ppk"
    subprocess.run(["puttygen", server.key, "-O", "private", "-o", key], check=True, capture_output=True)
    local, remote = free_port(), free_port()
    command = ["plink", "-batch", "-ssh", "-N", "-hostkey", listed.decode().split()[1], "-i", key, "-P", server.port, "-L",
               f"{local}:127.0.0.1:{target}", "-R", f"{remote}:127.0.0.1:{target}", f"{USER}@127.0.0.1"]
    with running([str(word) for word in command]):
        exchange(connect(local))
        exchange(connect(remote))


def test_all_is_refused_where_it_is_off(tmp_path, target):
    with Sluiced(BUILD, tmp_path / "server") as server:
        done = subprocess.run(ssh(server, "-o", "LogLevel=INFO", "-W", f"127.0.0.1:{target}"), input=b"x", capture_output=True, timeout=TIMEOUT)
        assert done.returncode != 0 and done.stdout == b""
        for option in (["-R", f"{free_port()}:127.0.0.1:{target}"], ["-R", f"{tmp_path}/sock:127.0.0.1:{target}"]):
            done = subprocess.run(ssh(server, "-N", *option), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
            assert done.returncode == 255, option
        assert not (tmp_path / "sock").exists()
        done = subprocess.run(["ssh", "-A", *ssh(server)[1:], 'echo "[$SSH_AUTH_SOCK]"'], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        assert done.stdout == b"[]\n"
        port = free_port()
        with running(ssh(server, "-N", "-L", f"{port}:127.0.0.1:{target}")):
            peer = connect(port)
            peer.settimeout(TIMEOUT)
            assert peer.recv(1) == b""
            peer.close()


def refused(server, *option):
    """ssh -W: what it says when the server does not let it through."""
    command = ["ssh", "-o", "LogLevel=INFO", *ssh(server, *option)[1:]]
    done = subprocess.run(command, input=b"x", capture_output=True, timeout=TIMEOUT)
    return done.returncode != 0 and done.stdout == b"" and b"prohibited" in done.stderr


def test_targets_and_ports_of_the_configuration_are_the_only_ones(tmp_path, target):
    ours, other = free_port(), free_port()
    lines = ["ssh server port-forwarding local", "ssh server port-forwarding remote",
             f"ssh server port-forwarding permit-open 127.0.0.1 {target}", "ssh server port-forwarding permit-open localhost any",
             f"ssh server port-forwarding permit-listen localhost {ours}"]
    with Sluiced(BUILD, tmp_path / "server", *lines) as server:
        with running(ssh(server, "-N", "-L", f"{other}:127.0.0.1:{target}", "-R", f"{ours}:127.0.0.1:{target}")):
            exchange(connect(other))
            exchange(connect(ours))
        # Another port, the same address in other words, another address.
        for where in (f"127.0.0.1:{server.port}", f"[::ffff:127.0.0.1]:{target}", f"127.1:{target}", f"[::1]:{target}"):
            assert refused(server, "-W", where), where
        done = subprocess.run(ssh(server, "-W", f"localhost:{target}"), input=b"x", capture_output=True, timeout=TIMEOUT)
        assert b"prohibited" not in done.stderr
        for option in (f"{other}:127.0.0.1:{target}", f"*:{ours}:127.0.0.1:{target}", f"0:127.0.0.1:{target}"):
            done = subprocess.run(ssh(server, "-N", "-R", option), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
            assert done.returncode == 255, option
        # A key's own limits narrow these, and never widen them.
        key = (server.folder / "user.pub").read_text()
        server.authorized.write_text(f'permitopen="127.0.0.1:{server.port}" {key}')
        assert refused(server, "-W", f"127.0.0.1:{target}") and refused(server, "-W", f"127.0.0.1:{server.port}")
        server.authorized.write_text(f'permitopen="127.0.0.1:*" {key}')
        assert refused(server, "-W", f"127.0.0.1:{server.port}")
        done = subprocess.run(ssh(server, "-W", f"127.0.0.1:{target}"), input=b"x", capture_output=True, timeout=TIMEOUT)
        assert b"prohibited" not in done.stderr


@pytest.mark.parametrize("gateway, asked, reached, not_reached", [
    ("loopback", "127.0.0.3", ["127.0.0.1", "::1"], ["127.0.0.3"]),
    ("as-asked", "127.0.0.3", ["127.0.0.3"], ["127.0.0.1", "::1"]),
    ("as-asked", "localhost", ["127.0.0.1", "::1"], ["127.0.0.3"]),
    ("everywhere", "localhost", ["127.0.0.1", "127.0.0.3", "::1"], []),
])
def test_the_configuration_says_who_may_reach_a_port(tmp_path, target, gateway, asked, reached, not_reached):
    lines = ["ssh server port-forwarding remote", f"ssh server port-forwarding gateway {gateway}"]
    with Sluiced(BUILD, tmp_path / "server", *lines) as server:
        port = free_port()
        with running(ssh(server, "-N", "-R", f"{asked}:{port}:127.0.0.1:{target}")):
            for address in reached:
                deadline = time.monotonic() + TIMEOUT
                while True:
                    try:
                        peer = socket.create_connection((address, port), TIMEOUT)
                        break
                    except OSError:
                        assert time.monotonic() < deadline, address
                        time.sleep(0.02)
                exchange(peer)
            for address in not_reached:
                with pytest.raises(OSError):
                    socket.create_connection((address, port), TIMEOUT)
            where, = re.findall(r"Listening for the client on (.*) port (\d+)", server.log.read_text(errors="replace"))
            assert where[1] == str(port)
            assert set(where[0].split(" and ")) == ({"::"} if gateway == "everywhere" else set(reached))
