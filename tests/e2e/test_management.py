"""sluiced managed: sluicectl for scripts and at a terminal, live changes, host keys, metrics, operators who log in by SSH."""
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.e2e.test_reload import BUILD, CTL, Configured, TIMEOUT, host_key, ssh  # noqa: E402
from tests.support.ssh_servers import USER, free_port  # noqa: E402


class Managed(Configured):
    def script(self, *lines, check=True):
        """Lines into the shell, as a script has them."""
        done = subprocess.run([CTL, "--state-dir", self.folder / "state"], input="\n".join(lines) + "\n", capture_output=True,
                              text=True, timeout=TIMEOUT)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words):
        return json.loads(self.ctl("--json", *words).stdout)

    def await_json(self, words, what):
        deadline = time.monotonic() + TIMEOUT
        while not what(found := self.json(*words.split())):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found

    def hold(self, command="cat", *options):
        return subprocess.Popen(["ssh", *self.options(), *options, "-p", str(self.port), f"{USER}@127.0.0.1", command],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def server(tmp_path):
    with Managed(tmp_path) as server:
        yield server


class Terminal:
    """A program at a terminal, driven by what it shows."""

    def __init__(self, *command):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt100"
            os.execv(command[0], [str(word) for word in command])
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)

    def type(self, text):
        self.seen = ""
        os.write(self.descriptor, text.encode())

    def wait_for(self, text):
        deadline = time.monotonic() + TIMEOUT
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.descriptor], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.descriptor, 4096).decode(errors="replace")
                except OSError:
                    raise AssertionError(self.seen)
        return self.seen


def test_sessions_are_shown_given_new_keys_and_ended_by_their_ids(server):
    with server.hold() as holder:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        [row] = server.json("show", "ssh")["sessions"]
        assert row["userid"] == USER and row["host"] == "127.0.0.1" and row["connection_type"] == "Exec-Command"
        [keys] = server.json("show", "ssh", "session", "details")["sessions"]
        assert keys["id"] == row["id"] and "key_exchange" in keys and keys["incipher"]
        server.ctl("ssh", "rekey", row["id"])
        server.await_json("show ssh rekey", lambda found: found["rekey"][0]["rekeycount"] == "1")
        # Under new keys, every byte.
        data = os.urandom(1 << 20).hex().encode() + b"\n"
        sender = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=holder.stdin)
        sender.stdin.write(data)
        sender.stdin.close()
        assert hashlib.sha256(holder.stdout.read(len(data))).digest() == hashlib.sha256(data).digest()
        sender.wait()
        assert "ended" in server.ctl("clear", "ssh", row["id"]).stdout
        holder.stdin.close()
        assert holder.wait(TIMEOUT) != 0
    history = server.await_json("show ssh history", lambda found: found["history"])["history"]
    assert history[0]["id"] == row["id"]
    assert "no session" in server.ctl("clear", "ssh", "4000000", check=False).stderr


def test_a_commit_holds_from_then_on_and_running_sessions_stay(server):
    with server.hold() as holder:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        out = server.script("configure", f"login deny-users {USER}", "show configuration", "commit", "end")
        assert f"login deny-users {USER}" in out
        assert ssh(server).returncode == 255
        assert f"login deny-users {USER}" in server.file.read_text()
        holder.stdin.write(b"two\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"two\n"
        server.script("rollback")
        assert ssh(server).stdout == "in\n"
        holder.stdin.close()
    assert "%SYS-5-CONFIG_I: Configured from console by" in server.log.read_text()


def test_changes_under_load_lose_no_byte(server):
    data = os.urandom(1 << 20)
    times = 48
    with server.hold("sha256sum") as holder:
        expected = hashlib.sha256()
        for i in range(times):
            holder.stdin.write(data)
            expected.update(data)
            if i % 16 == 0:
                server.script("configure", f"ssh server dscp {8 + i // 16}", f"ssh timeout {60 + i}", "commit", "end", "ssh rekey all")
        holder.stdin.close()
        assert holder.stdout.read().split()[0].decode() == expected.hexdigest()


def test_debugging_the_packets_of_a_busy_session_loses_no_byte_and_holds_nobody_up(server):
    with subprocess.Popen([CTL, "--state-dir", server.folder / "state"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as operator:
        operator.stdin.write(b"debug ip ssh\n")
        operator.stdin.flush()
        assert operator.stdout.readline() == b"Incoming SSH debugging is on\n"
        # It is not read while the data moves: more is told than the operator's socket holds.
        data = os.urandom(1 << 20) * 48
        with server.hold() as busy:
            writer = threading.Thread(target=lambda: (busy.stdin.write(data), busy.stdin.close()))
            writer.start()
            received = hashlib.sha256()
            for piece in iter(lambda: busy.stdout.read(1 << 16), b""):
                received.update(piece)
            writer.join()
            assert received.digest() == hashlib.sha256(data).digest()
        assert ssh(server).stdout == "in\n"
        operator.stdin.write(b"undebug all\nexit\n")
        operator.stdin.close()
        told = operator.stdout.read()
    assert b": ssh_receive: " in told and b": done calc MAC out #" in told


def test_a_commit_that_nobody_confirms_goes_back_by_itself(server):
    server.script("configure", f"login deny-users {USER}", "commit confirmed 2", "end")
    server.await_log("the commit was not confirmed: rolled back")
    assert ssh(server).stdout == "in\n"
    assert "deny-users" not in server.ctl("show", "running-config").stdout
    server.script("configure", "ssh server dscp 8", "commit confirmed 600", "commit", "end")
    assert "ssh server dscp 8" in server.file.read_text()


def test_what_cannot_be_had_changes_nothing(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = server.script("configure", f"ssh server listen 127.0.0.1 port {taken.getsockname()[1]}", "commit", "abort", check=False)
        assert "Failed to commit" in done
        assert ssh(server).stdout == "in\n"
    wrong = server.script("configure", "ssh server rekey-volume 99999", "abort", check=False)
    assert "^" in wrong and "<1024-4095>" in wrong


def test_the_last_host_key_stops_new_connections_and_a_new_one_starts_them_again(server):
    with server.hold() as holder:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        server.script(*(line for kind in ("rsa", "ecdsa", "ed25519") for line in (f"crypto key zeroize {kind}", "yes")))
        # The network process hears of it a moment later.
        deadline = time.monotonic() + TIMEOUT
        while not server.ctl("show", "ip", "ssh").stdout.startswith("SSH Disabled"):
            assert time.monotonic() < deadline, server.ctl("show", "crypto", "key", "mypubkey", "all").stdout + server.log.read_text(errors="replace")[-3000:]
            time.sleep(0.1)
        assert ssh(server).returncode == 255
        server.await_log("%SECURITY-SSHD-3-ERR_GENERAL : connection from 127.0.0.1")
        holder.stdin.write(b"two\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"two\n"
        holder.stdin.close()
    server.script("crypto key generate ed25519")
    while not server.ctl("show", "ip", "ssh").stdout.startswith("SSH Enabled"):
        assert time.monotonic() < deadline + TIMEOUT
        time.sleep(0.1)
    assert ssh(server).stdout == "in\n"
    assert host_key(server, "ed25519") and not host_key(server, "rsa")


def test_a_terminal_completes_words_and_answers_question_marks(server):
    with Terminal(str(CTL), "--state-dir", str(server.folder / "state")) as terminal:
        terminal.wait_for("Device#")
        # What Tab adds is typed: the line is run as it then stands.
        terminal.type("show ssh ses\tdet\t\r")
        terminal.wait_for("key-exchange")
        terminal.wait_for("Device#")
        terminal.type("ssh ?")
        seen = terminal.wait_for("vrf table for the route lookup")
        assert "A.B.C.D" in seen and "X:X::X" in seen
        terminal.type("\x03")
        terminal.wait_for("Device#")
        terminal.type("conf\t\r")
        terminal.wait_for("(config)#")
        terminal.type("ssh server rekey-v?")
        terminal.wait_for("rekey-volume")
        terminal.type("\x03")
        terminal.type("ssh timeout ?")
        terminal.wait_for("<5-120>")
        terminal.type("60\r")
        terminal.wait_for("(config)#")
        terminal.type("end\r")
        terminal.wait_for("commit them before exiting(yes/no/cancel)? [cancel]:")
        terminal.type("no\r")
        terminal.wait_for("Device#")
        # What was typed before comes again.
        terminal.type("\x1b[A" * 5 + "\r")
        terminal.wait_for("key-exchange")
        terminal.type("exit\r")


def test_debugging_tells_a_terminal_what_happens_and_no_secret(server):
    with Terminal(str(CTL), "--state-dir", str(server.folder / "state")) as terminal:
        terminal.wait_for("Device#")
        terminal.type("debug ip ssh detail\r")
        terminal.wait_for("debugging is on")
        terminal.seen = ""
        assert ssh(server).stdout == "in\n"
        seen = terminal.wait_for("Session terminated normally")
        for line in ("SSH2_MSG_KEXINIT received", "kex: client->server enc:", "kex_derive_keys complete", "newkeys: mode 1",
                     f"authentication successful for {USER}", "channel open request"):
            assert line in seen, line
        terminal.type("undebug all\r")
        terminal.wait_for("turned off")


def test_figures_are_there_for_prometheus_and_only_on_the_loopback(tmp_path):
    port = free_port()
    with Managed(tmp_path, f"metrics port {port}") as server:
        assert ssh(server).stdout == "in\n"

        def scraped():
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT).read().decode()

        def value(name):
            text = scraped()
            for line in text.splitlines():
                assert line.startswith("# ") or re.fullmatch(r'[a-z_]+(\{[^}]*\})? [0-9.e+-]+', line), line
            return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(name + r"[{ ]", line))
        assert value("sluice_logins_total") == 1 and value("sluice_connections_admitted_total") >= 1
        assert value("sluice_crypto_records_total") > 0 and value("sluice_handshakes_total") >= 1
        assert 'sluice_auth_results_total{method="publickey",result="accepted"} 1' in scraped().splitlines()
        # All that the dashboard draws is served, while there is a session to draw.
        dashboard = pathlib.Path(__file__).resolve().parent.parent.parent / "packaging/grafana/sluice.json"
        drawn = set(re.findall(r"sluice_\w+", dashboard.read_text()))
        with server.hold() as holder:
            holder.stdin.write(b"one\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == b"one\n"
            deadline = time.monotonic() + TIMEOUT
            while missing := drawn - set(re.findall(r"^sluice_\w+", scraped(), re.M)):
                assert time.monotonic() < deadline, missing
                time.sleep(0.1)
            holder.stdin.close()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/etc/passwd", timeout=TIMEOUT)
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as rude:
            rude.sendall(b"x" * 10000)
            try:
                assert rude.recv(100) == b""
            except ConnectionResetError:
                pass
        # The text is made again a moment later.
        deadline = time.monotonic() + TIMEOUT
        while value("sluice_sessions") != 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_everything_for_support_has_no_secret(server):
    server.script("configure", "username ann privilege 15 secret 0 s3cret-of-ann", "enable secret 0 s3cret-of-all",
                  "radius-server host 192.0.2.1 key s3cret-of-radius", "commit", "end")
    text = server.ctl("show", "tech-support", "ssh").stdout
    assert "s3cret" not in text and "username ann" in text and "BEGIN" not in text
    for title in ("show ssh server", "show running-config", "show ip ssh", "show dataplane", "show crypto key mypubkey"):
        assert f"--- {title}" in text, title


@pytest.fixture
def operated(tmp_path):
    account = [f"login local-account {USER}", "management shell", f"management shell-program {CTL}"]
    users = ["username ann privilege 15 secret 0 s3cret-of-ann", "username bob privilege 1 secret 0 s3cret-of-bob",
             "enable secret 0 s3cret-of-all"]
    with Managed(tmp_path, *account, *users) as server:
        yield server


def login(server, name):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", server.port, name, f"s3cret-of-{name}", look_for_keys=False, allow_agent=False, timeout=TIMEOUT)
    return client


class Dialog:
    """What an operator sees and types, at a terminal of a session."""

    def __init__(self, client):
        self.channel = client.invoke_shell(width=200)
        self.channel.settimeout(TIMEOUT)
        self.seen = ""

    def until(self, *texts):
        deadline = time.monotonic() + TIMEOUT
        while not any(text in self.seen for text in texts):
            assert time.monotonic() < deadline, self.seen
            piece = self.channel.recv(4096)
            assert piece, self.seen
            self.seen += piece.decode(errors="replace")
        return self.seen

    def type(self, line):
        self.seen = ""
        self.channel.send(line + "\r")


def test_operators_who_log_in_get_the_shell_with_their_privilege(operated):
    with login(operated, "ann") as client:
        _, out, _ = client.exec_command("show ssh", timeout=TIMEOUT)
        assert "ann" in out.read().decode()
        _, out, error = client.exec_command("id", timeout=TIMEOUT)
        assert "uid=" not in out.read().decode() + error.read().decode()
    with login(operated, "bob") as client:
        dialog = Dialog(client)
        dialog.until("Device>")
        dialog.type("configure terminal")
        dialog.until("Not allowed")
        dialog.type("enable")
        dialog.until("Password:")
        dialog.type("s3cret-of-all")
        dialog.until("Device#")
        dialog.type("configure terminal")
        dialog.until("(config)#")
        dialog.type("ssh server dscp 8")
        dialog.until("(config)#")
        dialog.type("commit")
        dialog.until("(config)#")
        dialog.type("end")
        dialog.until("Device#")
    assert "ssh server dscp 8" in operated.file.read_text()
    assert "Configured from vty by bob" in operated.log.read_text()


def test_a_ticket_is_worth_nothing_when_its_session_is_over(operated):
    def managed(ticket):
        environment = {**os.environ, "SLUICE_TICKET": ticket, "SLUICE_CONTROL": str(operated.folder / "state/control")}
        return subprocess.run([CTL, "show", "privilege"], env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    assert managed("0" * 32).returncode != 0


def test_scp_is_for_privilege_15_with_the_local_lists(tmp_path):
    lists = ["aaa new-model", "aaa authentication login default local", "aaa authorization exec default local", "ip scp server enable"]
    users = ["username ann privilege 15 secret 0 s3cret-of-ann", "username bob privilege 2 secret 0 s3cret-of-bob"]
    with Managed(tmp_path, *lists, *users, f"login local-account {USER}") as server:
        (tmp_path / "file").write_bytes(b"data")
        for name, works in (("ann", True), ("bob", False)):
            with login(server, name) as client:
                channel = client.get_transport().open_session(timeout=TIMEOUT)
                channel.settimeout(TIMEOUT)
                try:
                    channel.exec_command(f"scp -f {tmp_path}/file")
                    channel.sendall(b"\0")
                    answer = channel.recv(100)
                except paramiko.SSHException:
                    answer = b""
                assert answer.startswith(b"C0") == works, (name, answer)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_others_of_the_host_manage_nothing():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, Managed(pathlib.Path(folder) / "server") as server:
        for each in (folder, server.folder, server.folder / "state"):
            os.chmod(each, 0o755)
        greeting = hello_of_somebody_else(server)
        assert "managed by root" in greeting, greeting
        assert ssh(server).stdout == "in\n"


def hello_of_somebody_else(server):
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c",
                           f"import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({str(server.folder / 'state/control')!r})\n"
                           "s.sendall(bytes([0, 0, 0, 6, 1, 0, 0, 0, 0, 0]))\nprint(s.recv(1000))"], capture_output=True, text=True,
                          timeout=TIMEOUT)
    return done.stdout + done.stderr
