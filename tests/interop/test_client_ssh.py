"""`sluice ssh` against servers that nobody here wrote, and against sluiced: logins, commands, terminals, forwarding,
jumps, shared connections, and the programs that run ssh underneath."""
import hashlib
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import foreign_servers as foreign  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
SLUICE = BUILD / "apps" / "sluice" / "sluice"
PATIENCE = 120
PATTERN = bytes(range(256)) * 16


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return foreign.Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def server(keys, tmp_path_factory):
    with foreign.sshd(keys, tmp_path_factory.mktemp("sshd"),
                      "AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nGatewayPorts clientspecified\nAcceptEnv SLUICE_*\n"
                      "PermitTTY yes\nSubsystem sftp internal-sftp\nPrintMotd no\nPrintLastLog no", pam=False) as running:
        yield running


@pytest.fixture(autouse=True)
def patience():
    """A test that hangs fails, and ends."""

    def late(*_):
        raise AssertionError("no end in sight")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(4 * PATIENCE)
    yield
    signal.alarm(0)


class Running(subprocess.Popen):
    """Does not outlive its test, whatever becomes of that."""

    def __exit__(self, *problem):
        if problem[0]:
            self.kill()
        return super().__exit__(*problem)


class Client:
    """The program as a user has it: a home of its own, with known_hosts and a configuration."""

    def __init__(self, folder, port, key):
        self.home = folder / "user"
        self.folder, self.port = folder, port
        (self.home / ".ssh").mkdir(parents=True, mode=0o700, exist_ok=True)
        # The home of the account, which HOME does not change, has no say: -F is what is read.
        self.config = self.home / ".ssh" / "config"
        self.config.write_text(
            f"Host test hop* target\n  Hostname 127.0.0.1\n  Port {port}\n  User ann\n  IdentityFile {key}\n"
            f"Host *\n  UserKnownHostsFile {self.home}/.ssh/known_hosts\n  GlobalKnownHostsFile none\n"
            "  StrictHostKeyChecking accept-new\n  UpdateHostKeys no\n  IdentityAgent none\n")
        self.environment = {k: v for k, v in os.environ.items() if k not in ("SSH_AUTH_SOCK", "DISPLAY")}

    def words(self, *arguments):
        return [str(SLUICE), "ssh", "-F", str(self.config), *map(str, arguments)]

    def run(self, *arguments, send=b"", code=0, extra=None):
        done = subprocess.run(self.words(*arguments), input=send, capture_output=True, timeout=PATIENCE,
                              env={**self.environment, **(extra or {})}, start_new_session=True)
        assert code is None or done.returncode == code, done.stderr.decode(errors="replace")
        return done

    def start(self, *arguments, **options):
        return Running(self.words(*arguments), env=self.environment, start_new_session=True, **options)


@pytest.fixture
def client(tmp_path, server, keys):
    return Client(tmp_path, server.port, keys.user["ssh-ed25519"])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what}")


def dial(port, host="127.0.0.1"):
    def attempt():
        try:
            return socket.create_connection((host, port), timeout=PATIENCE)
        except ConnectionRefusedError:
            return None

    return wait_for(attempt, f"somebody listens on {port}")


def dial_path(path):
    def attempt():
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            return None

    return wait_for(attempt, f"somebody listens at {path}")


class Echo:
    """A TCP or Unix server that sends back what it gets, to the end."""

    def __init__(self, path=None):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                while data := self.request.recv(65536):
                    self.request.sendall(data)

        kind = socketserver.ThreadingUnixStreamServer if path else socketserver.ThreadingTCPServer
        self.server = kind(str(path) if path else ("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1] if isinstance(self.server.server_address, tuple) else None
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def exchange(connection, data):
    """Sends, ends, and reads to the end, both at once."""
    sender = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)), daemon=True)
    sender.start()
    received = bytearray()
    while piece := connection.recv(1 << 16):
        received += piece
    sender.join(PATIENCE)
    connection.close()
    return bytes(received)


# --- Commands


def test_a_command_runs_and_its_exit_status_is_ours(client):
    done = client.run("test", "echo out; echo err >&2; exit 7", code=7)
    assert (done.stdout, done.stderr.splitlines()[-1]) == (b"out\n", b"err")


def test_standard_input_goes_through_whole_in_both_directions(client):
    data = os.urandom(1 << 20) * 24
    done = client.run("test", "cat", send=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_a_command_that_a_signal_ends_is_255(client):
    client.run("test", "kill -TERM $$", code=255)


def test_nothing_is_read_with_n(client):
    assert client.run("-n", "test", "cat", send=b"not for you").stdout == b""


def test_a_reader_that_goes_away_ends_the_remote_writer(client):
    with client.start("test", "yes sluice", stdout=subprocess.PIPE) as running:
        assert running.stdout.read(7) == b"sluice\n"
        running.stdout.close()
        assert running.wait(PATIENCE) != 0


def test_a_slow_reader_gets_everything(client):
    with client.start("test", "head -c 50000000 /dev/zero", stdout=subprocess.PIPE) as running:
        total = 0
        time.sleep(0.5)  # meanwhile nobody reads
        while piece := running.stdout.read(1 << 20):
            total += len(piece)
        assert (total, running.wait(PATIENCE)) == (50000000, 0)


def test_output_to_a_file_is_appended_where_the_shell_left_off(client, tmp_path):
    out = tmp_path / "out"
    command = " ".join(f"'{word}'" for word in client.words("test", "echo second"))
    subprocess.run(["sh", "-c", f"(echo first; {command}; echo third) > {out}"], check=True, timeout=PATIENCE, env=client.environment)
    assert out.read_text() == "first\nsecond\nthird\n"


def test_variables_are_sent(client):
    done = client.run("-o", "SendEnv=SLUICE_A*", "-o", "SetEnv=SLUICE_B=two", "test", "echo $SLUICE_AB $SLUICE_B", extra={"SLUICE_AB": "one"})
    assert done.stdout == b"one two\n"


def test_a_subsystem_is_reached(client):
    # SSH_FXP_INIT of version 3, and VERSION in answer; then the end.
    with client.start("-s", "test", "sftp", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        running.stdin.write(b"\0\0\0\5\1\0\0\0\3")
        running.stdin.flush()
        assert running.stdout.read(9)[4:] == b"\2\0\0\0\3"
        running.stdin.close()
        assert running.wait(PATIENCE) == 0


def test_rekeying_while_data_flows_loses_nothing(client):
    data = os.urandom(1 << 20) * 8
    done = client.run("-v", "-o", "RekeyLimit=1M", "test", "cat", send=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"])
def test_the_cipher_is_ours_to_choose(client, cipher):
    done = client.run("-v", "-c", cipher, "test", "cat", send=PATTERN)
    assert done.stdout == PATTERN and cipher.split("@")[0].encode() in done.stderr


# --- Logins


def test_a_password_comes_from_a_helper(client, tmp_path, keys):
    helper = tmp_path / "askpass"
    helper.write_text(f"#!/bin/sh\necho '{foreign.PASSWORD}'\n")
    helper.chmod(0o755)
    extra = {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force"}
    with foreign.ParamikoServer(keys) as other:
        done = client.run("-p", other.port, "-o", "PreferredAuthentications=password", "test", "cat", send=b"through", extra=extra)
    assert done.stdout == b"through"


@pytest.fixture
def helper(tmp_path):
    """Gives the password to whoever asks, and leaves a mark that somebody did."""
    program, asked = tmp_path / "askpass", tmp_path / "asked"
    program.write_text(f"#!/bin/sh\necho asked >>{asked}\necho '{foreign.PASSWORD}'\n")
    program.chmod(0o755)
    return {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"}, asked


def test_nobody_is_asked_for_a_password_where_none_is_needed(client, keys, helper):
    environment, asked = helper
    with foreign.ParamikoServer(keys, open_to_all=True) as other:
        done = client.run("-p", other.port, "test", "cat", send=b"through", extra=environment)
    assert done.stdout == b"through"
    assert not asked.exists()


def test_a_server_that_gives_two_tries_takes_a_key_and_a_password(client, keys, tmp_path, helper):
    environment, asked = helper
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "stranger"], check=True)
    with foreign.sshd(keys, tmp_path, "MaxAuthTries 2") as other:
        done = client.run("-p", other.port, "-F", "none", "-i", tmp_path / "stranger", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
                          "-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "StrictHostKeyChecking=accept-new",
                          "-o", "PreferredAuthentications=publickey,password", "-v", "ann@127.0.0.1", "echo in", extra=environment)
    assert done.stdout == b"in\n", done.stderr
    assert b"The server counts what was no try" in done.stderr
    assert asked.read_text() == "asked\n"


def test_a_denied_login_names_the_methods_left(client, tmp_path):
    done = client.run("-i", tmp_path / "none", "-o", "IdentitiesOnly=yes", "-F", "none", "-o", f"UserKnownHostsFile={tmp_path}/k",
                      "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "IdentityAgent=none", "-p", client.port, "ann@127.0.0.1", "true", code=255)
    assert b"ann@127.0.0.1: Permission denied (publickey" in done.stderr


def test_batch_mode_asks_nobody(client):
    done = client.run("-o", "BatchMode=yes", "-o", "PreferredAuthentications=password", "test", "true", code=255)
    assert b"Permission denied" in done.stderr


def test_a_changed_host_key_is_loud_and_final(client, keys, tmp_path):
    client.run("test", "true")
    known = client.home / ".ssh" / "known_hosts"
    other = (keys.user["ssh-ed25519"].with_name(keys.user["ssh-ed25519"].name + ".pub")).read_text().split()
    known.write_text(f"[127.0.0.1]:{client.port} {other[0]} {other[1]}\n")
    done = client.run("test", "true", code=255)
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_no_common_cipher_names_both_lists(client, keys, tmp_path):
    with foreign.sshd(keys, tmp_path, lists=["Ciphers aes256-ctr"], pam=False) as other:
        done = client.run("-p", other.port, "-c", "aes128-gcm@openssh.com", "test", "true", code=255)
    assert b"aes128-gcm@openssh.com" in done.stderr and b"aes256-ctr" in done.stderr


def test_nobody_listens(client):
    done = client.run("-p", free_port(), "test", "true", code=255)
    assert b"Connection refused" in done.stderr


def test_an_unknown_option_is_named_with_its_line(client):
    client.config.write_text("Host test\n  Frobnicate yes\n")
    done = client.run("test", "true", code=255)
    assert b"config line 2: Bad configuration option: Frobnicate" in done.stderr


def test_an_option_of_older_versions_is_read_over_and_named_where_it_would_matter(client):
    with client.config.open("a") as config:
        config.write("  Protocol 2\n  UseRoaming no\n  CompressionLevel 9\n  GSSAPITrustDns yes\n")
    done = client.run("test", "echo in")
    assert done.stdout == b"in\n"
    told = [line for line in done.stderr.decode().splitlines() if "not supported" in line]
    assert len(told) == 2 and "CompressionLevel 9 is not supported" in told[0] and "GSSAPITrustDns yes is not supported" in told[1], told


@pytest.mark.parametrize("name", ["dropbear", "asyncssh", "paramiko"])
def test_other_servers_take_us_in(client, keys, tmp_path, name):
    made = {"dropbear": lambda: foreign.dropbear(keys, tmp_path), "asyncssh": lambda: foreign.AsyncSshServer(keys, {}),
            "paramiko": lambda: foreign.ParamikoServer(keys)}[name]()
    data = os.urandom(1 << 20)
    with made as other:
        done = client.run("-p", other.port, "test", "cat", send=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


# --- Terminals


class Terminal:
    """A session at a pseudo-terminal, typed at by the test."""

    def __init__(self, client, *arguments):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(str(SLUICE), client.words(*arguments), {**client.environment, "TERM": "vt100"})
        self.seen = b""

    def expect(self, text):
        until = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < until, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    piece = os.read(self.master, 65536)
                except OSError:
                    piece = b""
                assert piece or text in self.seen, self.seen
                self.seen += piece
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        while True:
            try:
                if not (piece := os.read(self.master, 65536)):
                    break
                self.seen += piece
            except OSError:
                break
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def test_a_terminal_session_has_size_type_and_exit_status(client):
    import fcntl
    import struct
    import termios

    terminal = Terminal(client, "-tt", "test", "stty size; echo type $TERM; read line; stty size; exit 3")
    terminal.expect(b"type vt100")
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    os.kill(terminal.pid, signal.SIGWINCH)
    time.sleep(0.5)  # the remote side is to have seen it before it is asked
    terminal.type(b"go\r")
    terminal.expect(b"33 101")
    assert terminal.end() == 3


def test_an_escape_ends_the_connection_and_leaves_the_terminal_as_it_was(client):
    import termios

    terminal = Terminal(client, "-t", "test", "echo ready; cat")
    terminal.expect(b"ready")
    terminal.type(b"hello\r")
    terminal.expect(b"hello\r\nhello")
    terminal.type(b"\r~?")
    terminal.expect(b"Supported escape sequences")
    terminal.type(b"\r~.")
    terminal.expect(b"closed.")
    modes = termios.tcgetattr(terminal.master)
    assert modes[3] & termios.ICANON and modes[3] & termios.ECHO
    assert terminal.end() == 255


def test_a_password_is_asked_for_at_the_terminal(client, keys):
    with foreign.ParamikoServer(keys) as other:
        terminal = Terminal(client, "-p", str(other.port), "-o", "PreferredAuthentications=password", "-T", "test", "cat")
        terminal.expect(b"ann@127.0.0.1's password: ")
        terminal.type(foreign.PASSWORD.encode() + b"\r")
        terminal.type(b"typed\n\x04")
        terminal.expect(b"typed")
        assert b"right" not in terminal.seen
        terminal.type(b"\x04")
        terminal.end()


def test_an_unknown_host_is_asked_about(client):
    terminal = Terminal(client, "-o", "StrictHostKeyChecking=ask", "test", "echo in")
    terminal.expect(b"SHA256:")
    terminal.expect(b"yes/no")
    terminal.type(b"yes\r")
    terminal.expect(b"in")
    assert terminal.end() == 0
    assert (client.home / ".ssh" / "known_hosts").read_text().startswith(f"[127.0.0.1]:{client.port} ")


# --- Forwarding


def test_a_local_port_leads_to_the_other_side(client):
    port = free_port()
    with Echo() as echo, client.start("-N", "-L", f"{port}:127.0.0.1:{echo.port}", "test") as running:
        data = os.urandom(4 << 20)
        assert exchange(dial(port), data) == data
        running.terminate()
        assert running.wait(PATIENCE) == 255


def test_a_remote_port_leads_back(client):
    port = free_port()
    with Echo() as echo, client.start("-N", "-R", f"{port}:127.0.0.1:{echo.port}", "test") as running:
        data = os.urandom(4 << 20)
        assert exchange(dial(port), data) == data
        running.terminate()


def test_sockets_lead_both_ways(client, tmp_path):
    here, there, end = tmp_path / "here", tmp_path / "there", tmp_path / "end"
    with Echo(end), client.start("-N", "-L", f"{here}:{end}", "-R", f"{there}:{end}", "test") as running:
        for path in (here, there):
            wait_for(path.exists, path)
            assert exchange(dial_path(path), PATTERN) == PATTERN
        running.terminate()
        running.wait(PATIENCE)
        assert not here.exists()


def socks5(port, host, target):
    connection = dial(port)
    connection.sendall(b"\5\1\0")
    assert connection.recv(2) == b"\5\0"
    connection.sendall(b"\5\1\0\3" + bytes([len(host)]) + host.encode() + target.to_bytes(2, "big"))
    answer = connection.recv(10)
    return connection, answer[1]


def test_socks_goes_where_it_is_told(client):
    port = free_port()
    with Echo() as echo, client.start("-N", "-D", str(port), "test") as running:
        connection, answer = socks5(port, "localhost", echo.port)
        assert answer == 0 and exchange(connection, PATTERN) == PATTERN
        connection = dial(port)
        connection.sendall(b"\4\1" + echo.port.to_bytes(2, "big") + socket.inet_aton("127.0.0.1") + b"me\0" + PATTERN)
        assert connection.recv(8)[:2] == b"\0\x5a"
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        assert received == PATTERN
        refused, answer = socks5(port, "127.0.0.1", free_port())
        assert answer != 0
        refused.close()
        running.terminate()


def test_socks_works_backwards_too(client):
    port = free_port()
    with Echo() as echo, client.start("-N", "-R", str(port), "test") as running:
        connection, answer = socks5(port, "127.0.0.1", echo.port)
        assert answer == 0 and exchange(connection, PATTERN) == PATTERN
        running.terminate()


def test_standard_streams_are_a_connection_with_w(client):
    with Echo() as echo:
        assert client.run("-W", f"127.0.0.1:{echo.port}", "test", send=PATTERN).stdout == PATTERN


def test_a_port_that_is_taken_ends_it_where_that_was_wished(client):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = client.run("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:1", "test", code=255)
    assert b"Address already in use" in done.stderr


def test_an_agent_is_forwarded(client, keys, tmp_path):
    agent = subprocess.run(["ssh-agent", "-a", tmp_path / "agent"], capture_output=True, text=True, check=True)
    process = int(agent.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        extra = {"SSH_AUTH_SOCK": str(tmp_path / "agent")}
        subprocess.run(["ssh-add", "-q", keys.user["ssh-ed25519"]], env={**os.environ, **extra}, check=True)
        done = client.run("-A", "-o", "IdentityAgent=SSH_AUTH_SOCK", "test", "ssh-add -l", extra=extra)
        assert b"ED25519" in done.stdout
    finally:
        os.kill(process, signal.SIGTERM)


def test_a_key_of_a_file_is_lent_to_the_agent_when_it_has_let_us_in(client, keys, tmp_path):
    agent = subprocess.run(["ssh-agent", "-a", tmp_path / "agent"], capture_output=True, text=True, check=True)
    process = int(agent.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        extra = {"SSH_AUTH_SOCK": str(tmp_path / "agent")}

        def held():
            return subprocess.run(["ssh-add", "-l"], env={**os.environ, **extra}, capture_output=True, text=True).stdout
        assert client.run("-o", "IdentityAgent=SSH_AUTH_SOCK", "test", "echo in", extra=extra).stdout == b"in\n"
        assert "no identities" in held()
        done = client.run("-o", "IdentityAgent=SSH_AUTH_SOCK", "-o", "AddKeysToAgent=1h", "test", "echo in", extra=extra)
        assert done.stdout == b"in\n" and not done.stderr, done.stderr
        assert "ED25519" in held()
        # From there it serves without its file.
        public = tmp_path / "public.pub"
        public.write_bytes(pathlib.Path(f"{keys.user['ssh-ed25519']}.pub").read_bytes())
        assert client.run("-F", "none", "-p", client.port, "-l", "ann", "-o", f"UserKnownHostsFile={client.home}/.ssh/known_hosts",
                          "-o", "IdentitiesOnly=yes", "-i", tmp_path / "public", "127.0.0.1", "echo again", extra=extra).stdout == b"again\n"
    finally:
        os.kill(process, signal.SIGTERM)


# --- Ways to the host


def test_jumps_lead_through_other_hosts(client):
    assert client.run("-J", "hop1", "target", "echo there").stdout == b"there\n"
    assert client.run("-J", "hop1,hop2", "target", "cat", send=PATTERN).stdout == PATTERN


def test_a_proxy_command_is_the_connection(client):
    script = client.folder / "proxy.py"
    script.write_text("""
import os, select, socket, sys
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
ends = {0: far.fileno(), far.fileno(): 1}
while True:
    for ready in select.select(list(ends), [], [])[0]:
        data = os.read(ready, 65536)
        if not data:
            sys.exit()
        while data:
            data = data[os.write(ends[ready], data):]
""")
    assert client.run("-o", f"ProxyCommand={sys.executable} {script} %h %p", "test", "cat", send=PATTERN).stdout == PATTERN


# --- Shared connections


def test_a_master_serves_others_and_obeys_orders(client, tmp_path):
    path = tmp_path / "m"
    options = ("-S", path)
    with client.start("-M", "-N", *options, "test") as master:
        wait_for(path.exists, "the control socket")
        assert b"Master running" in client.run("-O", "check", *options, "test").stderr
        done = client.run(*options, "test", "cat; exit 5", send=PATTERN, code=5)
        assert done.stdout == PATTERN
        # Stock ssh understands it too.
        stock = subprocess.run(["ssh", "-F", "none", "-S", path, "anything", "echo by stock; exit 4"], stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=PATIENCE)
        assert (stock.returncode, stock.stdout) == (4, b"by stock\n"), stock.stderr
        port = free_port()
        with Echo() as echo:
            client.run("-O", "forward", "-L", f"{port}:127.0.0.1:{echo.port}", *options, "test")
            assert exchange(dial(port), PATTERN) == PATTERN
            assert client.run("-W", f"127.0.0.1:{echo.port}", *options, "test", send=PATTERN).stdout == PATTERN
            client.run("-O", "cancel", "-L", f"{port}:127.0.0.1:{echo.port}", *options, "test")
        client.run("-O", "exit", *options, "test")
        assert master.wait(PATIENCE) == 0
    assert not path.exists()


def test_a_master_that_asks_waits_for_the_answer_and_nothing_else_does(client, tmp_path):
    path, helper, answers = tmp_path / "m", tmp_path / "askpass", tmp_path / "answers"
    helper.write_text(f"""#!/bin/sh
echo "$SSH_ASKPASS_PROMPT: $1" >> '{tmp_path}/asked'
while [ ! -e '{answers}' ]; do sleep 0.05; done
read answer < '{answers}'; rm '{answers}'; [ "$answer" = yes ]
""")
    helper.chmod(0o755)

    def answer(word):
        # Whole at once: the helper reads as soon as the file is there.
        (tmp_path / "answer").write_text(word + "\n")
        (tmp_path / "answer").rename(answers)

    client.environment.update(SSH_ASKPASS=str(helper), SSH_ASKPASS_REQUIRE="force")
    port = free_port()
    with Echo() as echo, client.start("-M", "-N", "-S", path, "-o", "ControlMaster=ask", "-L", f"{port}:127.0.0.1:{echo.port}", "test") as master:
        wait_for(path.exists, "the control socket")
        asked = lambda: (tmp_path / "asked").exists() and (tmp_path / "asked").read_text().splitlines()
        with client.start("-S", path, "test", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guest:
            wait_for(lambda: asked() and len(asked()) == 1, "the question")
            # Meanwhile control's thread is free: channels are opened, and who only looks is told.
            assert exchange(dial(port), PATTERN) == PATTERN
            assert b"Master running" in client.run("-O", "check", "-S", path, "test").stderr
            # A second one waits for his turn.
            with client.start("-S", path, "-o", "ControlMaster=no", "test", "echo second", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as second:
                answer("yes")
                assert guest.communicate(PATTERN, timeout=PATIENCE)[0] == PATTERN
                wait_for(lambda: len(asked()) == 2, "the second question")
                answer("no")
                out, err = second.communicate(timeout=PATIENCE)
                assert b"denied" in err, err
        assert asked()[0] == "confirm: Allow shared connection to 127.0.0.1? "
        # Whoever is asked about a forwarding reads which.
        another = free_port()
        for order in ("forward", "cancel"):
            answer("yes")
            client.run("-O", order, "-S", path, "-L", f"{another}:localhost:{echo.port}", "test")
        assert asked()[2].startswith("confirm: Forward our ") and asked()[3].startswith("confirm: End the forwarding of our ")
        assert all(f"{another} to localhost:{echo.port} through" in line for line in asked()[2:4]), asked()
        answer("yes")
        client.run("-O", "exit", "-S", path, "test")
        assert master.wait(PATIENCE) == 0


@pytest.mark.parametrize("terminal", ["-t", "-T"])
def test_a_question_at_the_terminal_of_a_session_is_answered_there_and_is_no_input_of_the_session(client, terminal):
    # A socket's name has 108 bytes at most.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = pathlib.Path(folder) / "m"
        session = Terminal(client, terminal, "-M", "-S", path, "-o", "ControlMaster=ask", "test", "echo ready; cat; echo over")
        session.expect(b"ready")
        wait_for(path.exists, "the control socket")
        with client.start("-S", path, "-o", "ControlMaster=no", "test", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guest:
            session.expect(b"Allow shared connection to 127.0.0.1? (yes/no) ")
            session.type(b"yes\r")
            assert guest.communicate(PATTERN, timeout=PATIENCE)[0] == PATTERN
        session.type(b"for the session\r")
        session.expect(b"for the session")
        session.expect(b"for the session")
        session.type(b"\x04")
        seen = session.expect(b"over")
        assert b"yes" not in seen, "the answer was no input"
        assert session.end() == 0


def test_a_master_of_stock_ssh_serves_us(client, keys, tmp_path):
    path = tmp_path / "stock"
    with subprocess.Popen(["ssh", "-F", client.config, "-M", "-N", "-S", path, "test"], stderr=subprocess.DEVNULL) as master:
        wait_for(path.exists, "the control socket")
        assert client.run("-S", path, "test", "cat; exit 6", send=PATTERN, code=6).stdout == PATTERN
        client.run("-O", "exit", "-S", path, "test")
        master.wait(PATIENCE)


def test_a_master_stays_behind_and_goes_after_its_time(client):
    # A socket's name has 108 bytes at most.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        options = ("-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=2s")
        assert client.run(*options, "test", "echo one").stdout == b"one\n"
        assert client.run(*options, "test", "cat", send=PATTERN).stdout == PATTERN
        wait_for(lambda: not os.listdir(folder), "the master goes")


def test_f_returns_when_the_forwarding_stands(client, tmp_path):
    port = free_port()
    path = tmp_path / "f"
    with Echo() as echo:
        client.run("-f", "-N", "-M", "-S", path, "-L", f"{port}:127.0.0.1:{echo.port}", "test")
        assert exchange(dial(port), PATTERN) == PATTERN
    client.run("-O", "exit", "-S", path, "test")


# --- Programs on top of us


@pytest.fixture
def link(tmp_path):
    path = tmp_path / "sluice-ssh"
    path.symlink_to(SLUICE)
    return path


def test_rsync_runs_over_it(client, link, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for i in range(20):
        (source / f"f{i}").write_bytes(os.urandom(100_000))
    subprocess.run(["rsync", "-a", "-e", f"{link} -F {client.config}", f"{source}/", f"test:{target}/"], check=True, timeout=PATIENCE,
                   env=client.environment)
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {p.name: p.read_bytes() for p in source.iterdir()}


def test_git_runs_over_it(client, link, tmp_path):
    origin = tmp_path / "origin"
    environment = {**client.environment, "GIT_SSH_COMMAND": f"{link} -F {client.config}", "GIT_CONFIG_GLOBAL": "/dev/null",
                   "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "init", "-q", origin], check=True)
    (origin / "file").write_bytes(os.urandom(300_000))
    for words in (["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", origin, *words], check=True, env=environment)
    subprocess.run(["git", "clone", "-q", f"test:{origin}", tmp_path / "copy"], check=True, env=environment, timeout=PATIENCE)
    assert (tmp_path / "copy" / "file").read_bytes() == (origin / "file").read_bytes()


@pytest.mark.skipif(shutil.which("ansible") is None, reason="ansible is not installed")
def test_ansible_runs_over_it(client, link, tmp_path):
    done = subprocess.run(["ansible", "all", "-i", "test,", "-m", "raw", "-a", "echo managed"], capture_output=True, timeout=PATIENCE,
                          env={**client.environment, "ANSIBLE_SSH_EXECUTABLE": str(link), "ANSIBLE_SSH_ARGS": f"-F {client.config}"})
    assert b"managed" in done.stdout
