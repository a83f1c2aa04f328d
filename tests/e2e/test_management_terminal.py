"""sluicectl in a terminal that nobody here wrote: completion, help, history, the live screen, debugging, by tmux."""
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.e2e.test_management import CTL, TIMEOUT, Managed  # noqa: E402
from tests.e2e.test_reload import ssh  # noqa: E402
from tests.support.ssh_servers import USER, answers  # noqa: E402


class Tmux:
    """One window; what is on it is read as a person would."""

    def __init__(self, folder, *command, width=150, height=45):
        self.socket = folder / "tmux"
        words = " ".join(f"'{word}'" for word in command)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), words)

    def tmux(self, *words, check=True):
        return subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=check, timeout=TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check=False)

    def keys(self, *keys):
        """Names of tmux (Tab, Enter, Up, C-c), or text."""
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def screen(self):
        # With what was scrolled away.
        return self.tmux("capture-pane", "-p", "-S", "-2000").stdout

    def wait_for(self, *texts, gone=()):
        deadline = time.monotonic() + TIMEOUT
        while True:
            seen = self.screen()
            if all(text in seen for text in texts) and not any(text in seen for text in gone):
                return seen
            assert time.monotonic() < deadline, (texts, seen)
            time.sleep(0.1)

    def line(self):
        """The last line that has anything in it: where the cursor is."""
        return [line for line in self.screen().splitlines() if line.strip()][-1]

    def wait_for_line(self, text):
        deadline = time.monotonic() + TIMEOUT
        while self.line().rstrip() != text:
            assert time.monotonic() < deadline, (text, self.screen())
            time.sleep(0.1)


@pytest.fixture
def server(tmp_path):
    with Managed(tmp_path / "server") as server:
        yield server


@pytest.fixture
def terminal(server, tmp_path):
    with Tmux(tmp_path, CTL, "--state-dir", server.folder / "state") as terminal:
        terminal.wait_for("Device#")
        yield terminal


def test_tab_completes_what_is_clear_and_shows_what_is_not(terminal):
    terminal.type("sh")
    terminal.keys("Tab")
    terminal.wait_for_line("Device#show")
    terminal.type("ssh se")
    terminal.keys("Tab", "Tab")
    terminal.wait_for("server", "session")
    terminal.type("rv")
    terminal.keys("Tab")
    terminal.wait_for_line("Device#show ssh server")
    terminal.keys("Enter")
    terminal.wait_for("SSH Server Parameters", "Max Authentication Limit := 20")


def test_a_question_mark_helps_and_leaves_the_line_as_it_was(terminal):
    terminal.type("ssh ")
    terminal.type("?")
    seen = terminal.wait_for("A.B.C.D", "WORD", "X:X::X", "vrf table for the route lookup", "Hostname of the remote node")
    assert "Invalid" not in seen
    terminal.wait_for_line("Device#ssh")
    terminal.type("10.1.1.1 ?")
    terminal.wait_for("Accept cipher type", "Specify remote command (non-interactive)", "Specify source interface",
                      "Accept userid for authentication", "<cr>")
    terminal.wait_for_line("Device#ssh 10.1.1.1")
    terminal.keys("C-c")
    terminal.type("configure")
    terminal.keys("Enter")
    terminal.wait_for_line("Device(config)#")
    terminal.type("ssh ?")
    terminal.wait_for("Provide SSH client service", "Provide SSH server service", "Set timeout value for SSH")
    terminal.type("timeout ?")
    terminal.wait_for("<5-120>")
    terminal.type("4")
    terminal.keys("Enter")
    # The caret stands below the word.
    seen = terminal.wait_for("Invalid input detected")
    lines = seen.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == "^")
    assert lines[at - 1][lines[at].index("^")] == "4", seen


def test_the_arrow_brings_back_what_was_typed(terminal):
    terminal.type("show privilege")
    terminal.keys("Enter")
    terminal.wait_for("level is 15")
    terminal.type("show clock")
    terminal.keys("Enter")
    terminal.keys("Up", "Up")
    terminal.wait_for_line("Device#show privilege")
    # Changed in the middle.
    terminal.keys("Home")
    terminal.type("do ")
    terminal.wait_for_line("Device#do show privilege")
    terminal.keys("C-c")


def test_leaving_with_changes_asks_yes_no_or_cancel(terminal, server):
    def typed(line):
        terminal.type(line)
        terminal.keys("Enter")
    question = "commit them before exiting(yes/no/cancel)? [cancel]:"
    typed("configure")
    typed("ssh server dscp 8")
    typed("end")
    terminal.wait_for(question)
    typed("cancel")
    terminal.wait_for_line("Device(config)#")
    typed("end")
    typed("no")
    terminal.wait_for_line("Device#")
    assert "dscp" not in server.ctl("show", "running-config").stdout
    typed("configure")
    typed("ssh server dscp 9")
    typed("end")
    typed("yes")
    terminal.wait_for_line("Device#")
    assert "ssh server dscp 9" in server.ctl("show", "running-config").stdout


def test_the_live_screen_shows_sessions_rates_and_load(server, tmp_path):
    with server.hold("cat >/dev/null") as holder, Tmux(tmp_path, CTL, "--state-dir", server.folder / "state", "top", "0.3") as screen:
        feeder = subprocess.Popen(["sh", "-c", "while :; do head -c 1000000 /dev/zero || exit; sleep 0.1; done"], stdout=holder.stdin)
        try:
            screen.wait_for("workers:", USER, "127.0.0.1", "Exec-Command")
            # Bytes come in: a rate that is not nothing.
            deadline = time.monotonic() + TIMEOUT
            while not any("B/s" in line and USER in line and line.split()[4] != "0.0" for line in screen.screen().splitlines()):
                assert time.monotonic() < deadline, screen.screen()
                time.sleep(0.1)
            screen.keys("q")
            deadline = time.monotonic() + TIMEOUT
            while screen.tmux("list-sessions", check=False).returncode == 0:
                assert time.monotonic() < deadline, screen.screen()
                time.sleep(0.1)
        finally:
            feeder.kill()
            feeder.wait()
            holder.kill()


def test_debugging_is_live_in_the_words_of_the_routers(terminal, server):
    terminal.type("debug ip ssh")
    terminal.keys("Enter")
    terminal.wait_for("Incoming SSH debugging is on")
    subprocess.run(["ssh", "-tt", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "true"], capture_output=True,
                   stdin=subprocess.DEVNULL, timeout=TIMEOUT, env={**os.environ, "TERM": "vt100"})
    seen = terminal.wait_for("Session terminated normally")
    for line in ("sent protocol version id SSH-2.0-", "protocol version id is - SSH-2.0-OpenSSH", "kexinit sent: kex algo = ",
                 "SSH2_MSG_KEXINIT sent", "SSH2_MSG_KEXINIT received", "kex: client->server enc:", "kex: server->client enc:",
                 "Using hostkey algo = ", "Using kex_algo = ", "SSH2_MSG_KEXDH_INIT received", "signature length ", "kex_derive_keys complete",
                 "newkeys: mode 1", "SSH2_MSG_NEWKEYS sent", "newkeys: mode 0", "SSH2_MSG_NEWKEYS received",
                 "Authentications that can continue = ", "Using method = none", "Using method = publickey",
                 "Received publickey algo = ", f"Verifying signature for user '{USER}' in SSH2_MSG_USERAUTH_REQUEST",
                 f"authentication successful for {USER}", "channel open request", "pty-req request", "setting TTY - requested: height ",
                 "exec request", "exec message received", "received packet type 20", "send: len ", "MAC #",
                 "starting SSH control process", "ssh_receive: ", "input: packet len ", "partial packet 8, need ", "input: padlen ",
                 "done calc MAC out #", "maclen 16"):
        assert line in seen, (line, seen)
    # The first line already knows its connection, and each has the routers' time in front.
    number = re.search(r"SSH(\d+): starting SSH control process", seen).group(1)
    assert f"SSH{number}: sent protocol version id SSH-2.0-" in seen and number != "0"
    assert re.search(rf"[A-Z][a-z]{{2}} +\d+ \d\d:\d\d:\d\d\.\d{{3}}: SSH2 {number}: SSH2_MSG_KEXINIT sent", seen), seen
    terminal.type("undebug all")
    terminal.keys("Enter")
    terminal.wait_for("turned off")


def test_debugging_packets_has_words_of_its_own(terminal, server):
    terminal.type("debug ip ssh packet")
    terminal.keys("Enter")
    terminal.wait_for("Incoming SSH packet debugging is on")
    assert ssh(server).stdout == "in\n"
    seen = terminal.wait_for("MAC compared for #", "send:packet of length ", "newkeys: mode 1", "signature length ", "ssh_receive: ",
                             "input: total packet length of ", "partial packet length(block size)", "input: padlength ")
    assert "kex_derive_keys" not in seen and "send: len " not in seen


def test_debugging_tells_how_windows_grow(terminal, server):
    terminal.type("debug ip ssh detail")
    terminal.keys("Enter")
    terminal.wait_for("Incoming SSH detail debugging is on")
    done = subprocess.run(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "head -c 8000000 /dev/zero"],
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT)
    assert done.stdout == bytes(8000000)
    seen = terminal.wait_for("channel window adjust message received ", "Session terminated normally")
    assert "input: packet len" not in seen


def test_debugging_is_for_one_session_or_address(terminal, server):
    with server.hold() as holder:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        [row] = server.json("show", "ssh")["sessions"]
        terminal.type(f"debug ssh server session {row['id']}")
        terminal.keys("Enter")
        terminal.wait_for("debugging is on")
        assert ssh(server).stdout == "in\n"
        server.ctl("ssh", "rekey", row["id"])
        seen = terminal.wait_for("SSH2_MSG_NEWKEYS received")
        assert f"SSH2 {row['id']}: SSH2_MSG_KEXINIT sent" in seen
        assert f"SSH2 {int(row['id']) + 1}: " not in seen
        terminal.type("undebug all")
        terminal.keys("Enter")
        terminal.type("debug ssh server address 192.0.2.1")
        terminal.keys("Enter")
        terminal.wait_for("address 192.0.2.1 debugging is on")
        before = terminal.screen().count("SSH2 ")
        assert ssh(server).stdout == "in\n"
        terminal.type("show privilege")
        terminal.keys("Enter")
        assert terminal.wait_for("level is 15").count("SSH2 ") == before
        holder.stdin.close()


def test_debugging_the_client_tells_what_the_clients_of_this_shell_do(server, tmp_path):
    known = tmp_path / "known"
    server.script("configure", f"ssh client knownhost {known}", "commit", "end")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + TIMEOUT
        while not answers(tmp_path / "agent"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        subprocess.run(["ssh-add", "-q", server.key], env={**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}, check=True)
        known.write_text(subprocess.run(["ssh-keyscan", "-p", str(server.port), "127.0.0.1"], capture_output=True, text=True).stdout)
        with Tmux(tmp_path, "/usr/bin/env", f"SSH_AUTH_SOCK={tmp_path}/agent", CTL, "--state-dir", server.folder / "state") as terminal:
            terminal.wait_for("Device#")
            terminal.type("debug ip ssh client")
            terminal.keys("Enter")
            terminal.wait_for("SSH Client debugging is on")
            terminal.type(f"ssh 127.0.0.1 port {server.port} username {USER} command echo it is $((40+2))")
            terminal.keys("Enter")
            terminal.wait_for("it is 42", "SSH CLIENT0: sent protocol version id SSH-2.0-", "SSH CLIENT0: protocol version id is - SSH-2.0-",
                              "SSH CLIENT0: protocol version exchange successful", "SSH CLIENT0: key exchange successful and encryption on",
                              "SSH2 CLIENT 0: using method publickey", "SSH2 CLIENT 0: SSH2_MSG_USERAUTH_SUCCESS message received",
                              "SSH CLIENT0: user authenticated", "SSH2 CLIENT 0: exec request sent", "SSH CLIENT0: session open")
            terminal.type("no debug ip ssh client")
            terminal.keys("Enter")
            terminal.wait_for("SSH Client debugging is off")
            before = terminal.screen().count("CLIENT0: ")
            terminal.type(f"ssh 127.0.0.1 port {server.port} username {USER} command echo it is $((40+3))")
            terminal.keys("Enter")
            assert terminal.wait_for("it is 43").count("CLIENT0: ") == before
    finally:
        agent.terminate()
        agent.wait()
