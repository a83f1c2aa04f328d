"""What an operator changes while sluiced serves: users, host keys, access lists, the server itself; and sluicectl."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.ssh_servers import Sluiced, USER, family_of, free_port, make_key  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
CTL = BUILD / "apps/sluicectl/sluicectl"
TIMEOUT = 60


class Configured(Sluiced):
    """Its lines are in a file, so that they can change."""

    def __init__(self, folder, *lines):
        super().__init__(BUILD, folder)
        self.file = self.folder / "conf"
        self.write(*lines)

    def write(self, *lines):
        self.file.write_text("\n".join(lines) + "\n")

    def start(self):
        fixed = [f"login authorized-keys {self.authorized}", "login root yes", "no login strict-modes", "login key-environment SHLVL"]
        options = [word for line in fixed for word in ("-o", line)]
        command = lambda port: [self.program, "-D", "-f", self.file, "-p", port, "--listen", "127.0.0.1", "--state-dir",
                   self.folder / "state", *options]
        self.launch(command)
        # The port answers before there is who serves it.
        self.await_log("serving on")
        return self

    def await_log(self, text, times=1):
        deadline = time.monotonic() + TIMEOUT
        while self.log.read_text().count(text) < times:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def reload(self, *lines):
        self.write(*lines)
        seen = self.log.read_text().count("configuration reloaded")
        self.process.send_signal(signal.SIGHUP)
        self.await_log("configuration reloaded", seen + 1)

    def ctl(self, *words, check=True):
        done = subprocess.run([CTL, "--state-dir", self.folder / "state", "--yes", *words], capture_output=True, text=True,
                              timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, done.stderr
        return done


def ssh(server, *options):
    return subprocess.run(["ssh", *server.options(), *options, "-p", str(server.port), f"{USER}@127.0.0.1", "echo in"],
                          capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)


def host_key(server, kind):
    """What a client is shown, by ssh-keyscan; empty where there is none."""
    done = subprocess.run(["ssh-keyscan", "-T", "30", "-p", str(server.port), "-t", kind, "127.0.0.1"], capture_output=True,
                          text=True, timeout=TIMEOUT)
    return done.stdout.split()[-1] if done.stdout else ""


@pytest.fixture
def server(tmp_path):
    with Configured(tmp_path) as server:
        yield server


def test_a_user_who_was_added_may_log_in_and_one_who_was_removed_may_not(server):
    def login(name):
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect("127.0.0.1", server.port, name, "s3cret-of-ann", look_for_keys=False, allow_agent=False, timeout=TIMEOUT)
            return True
        except paramiko.AuthenticationException:
            return False
        finally:
            client.close()
    assert not login("ann")
    server.reload("username ann secret 0 s3cret-of-ann")
    assert login("ann")
    server.reload("")
    assert not login("ann")


def test_login_rules_hold_from_the_reload_on(server):
    assert ssh(server).stdout == "in\n"
    server.reload(f"login deny-users {USER}")
    assert ssh(server).returncode == 255
    server.reload("")
    assert ssh(server).stdout == "in\n"


def test_what_waits_for_the_next_start_is_said(server):
    server.reload("workers count 1", "brokers linger 7")
    server.await_log("reload: Takes effect at the next start, since workers are started once: workers count 1\n")
    server.await_log(": brokers linger 7\n")
    server.reload("workers count 1")
    server.await_log(": brokers linger 30\n")
    assert server.log.read_text().count("workers count 1\n") == 1
    assert ssh(server).stdout == "in\n"


def test_a_folder_where_the_file_was_is_told_and_nobody_is_thrown_out(server):
    holder = subprocess.Popen(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        server.file.unlink()
        server.file.mkdir()
        server.process.send_signal(signal.SIGHUP)
        server.await_log(f"reload: {server.file}: Is a directory")
        assert ssh(server).stdout == "in\n"
        assert holder.communicate(b"two\n", timeout=TIMEOUT)[0] == b"two\n" and holder.returncode == 0
    finally:
        holder.kill()
        holder.wait()


def test_a_new_host_key_serves_new_connections_and_old_ones_rekey_with_theirs(server):
    before = host_key(server, "ed25519")
    options = [option if option != "UserKnownHostsFile=/dev/null" else f"UserKnownHostsFile={server.folder}/known"
               for option in server.options()]
    holder = subprocess.Popen(["ssh", *options, "-o", "RekeyLimit=64K", "-o", "HostKeyAlgorithms=ssh-ed25519", "-o", "UpdateHostKeys=no",
                               "-p", str(server.port), f"{USER}@127.0.0.1", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        server.ctl("crypto", "key", "generate", "ed25519")
        server.reload("")
        after = host_key(server, "ed25519")
        assert after and after != before
        # A megabyte in small limits: several key exchanges, signed by the key that the client began with.
        data = os.urandom(1 << 19).hex().encode() + b"\n"
        out, _ = holder.communicate(data, timeout=TIMEOUT)
        assert out == data and holder.returncode == 0
    finally:
        holder.kill()
        holder.wait()


def test_what_was_zeroized_is_not_offered_and_stays_away_at_the_next_start(server):
    assert host_key(server, "rsa") and host_key(server, "ed25519")
    server.ctl("crypto", "key", "zeroize", "rsa")
    server.reload("")
    assert not host_key(server, "rsa") and host_key(server, "ed25519")
    server.stop()
    server.start()
    assert not host_key(server, "rsa") and host_key(server, "ed25519")
    server.ctl("crypto", "key", "generate", "rsa", "modulus", "2048")
    server.reload("")
    assert host_key(server, "rsa")


def test_labels_choose_the_pairs(server):
    default = host_key(server, "rsa")
    server.ctl("crypto", "key", "generate", "rsa", "usage-keys", "label", "edge", "modulus", "2048")
    assert host_key(server, "rsa") == default
    server.reload("ip ssh rsa keypair-name edge")
    edge = host_key(server, "rsa")
    assert edge and edge != default
    public = (server.folder / "state/host_keys/rsa.edge.pub").read_text().split()
    assert public[1] == edge
    server.reload("ssh server host-key-label nothing")
    assert ssh(server).returncode == 255
    assert "no host key with the label nothing" in server.log.read_text()


def test_a_server_that_is_switched_off_takes_nobody_and_one_that_is_on_again_does(server):
    server.reload("no ssh server")
    assert ssh(server).returncode == 255
    server.reload("ssh server")
    assert ssh(server).stdout == "in\n"


def test_an_address_is_added_and_the_one_before_keeps_its_backlog(server):
    extra = free_port()
    server.reload(f"ssh server listen 127.0.0.1 port {extra}")
    assert ssh(server).stdout == "in\n"
    done = subprocess.run(["ssh", *server.options(), "-p", str(extra), f"{USER}@127.0.0.1", "echo in"], capture_output=True, text=True,
                          timeout=TIMEOUT, stdin=subprocess.DEVNULL)
    assert done.stdout == "in\n", done.stderr + server.log.read_text()
    server.reload("")
    assert ssh(server).stdout == "in\n"


def test_access_lists_say_who_may_connect(server):
    lines = ["ipv4 access-list inside", " 10 deny ipv4 host 127.0.0.1 any", " 20 permit ipv4 any any"]
    server.reload(*lines, "ssh server vrf default ipv4 access-list inside")
    done = ssh(server)
    assert done.returncode == 255
    assert "no access list admits the source" in server.log.read_text()
    server.reload(*lines, "ssh server vrf default")
    assert ssh(server).stdout == "in\n"


def test_a_session_in_which_nothing_moves_is_ended(tmp_path):
    with Configured(tmp_path, "ssh server idle-timeout session 2", "workers count 1", "workers cores 0") as server:
        quiet = subprocess.Popen(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "cat"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        busy = subprocess.run(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1",
                               "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.7; done"], capture_output=True, text=True, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL)
        assert busy.stdout.split() == list("12345678") and busy.returncode == 0
        assert quiet.wait(TIMEOUT) == 255
        assert "nothing moved in it" in server.log.read_text()
        threads = pathlib.Path("/proc").glob(f"{[p for p in family_of(server.process.pid) if comm(p) == 'sluiced-net'][0]}/task/*")
        worker = next(task for task in threads if (task / "comm").read_text().strip() == "worker-0")
        assert os.sched_getaffinity(int(worker.name)) == {0}


def comm(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def test_sha1_host_keys_serve_who_asks_for_them_in_the_configuration(server):
    old = ["-o", "HostKeyAlgorithms=ssh-rsa"]
    assert ssh(server, *old).returncode == 255
    server.reload("ssh server algorithms host-key ssh-rsa ed25519")
    assert ssh(server, *old).stdout == "in\n"


def test_sluicectl_shows_what_openssh_sees(server):
    keys = json.loads(server.ctl("--json", "show", "crypto", "key", "mypubkey").stdout)
    assert {key["type"] for key in keys} == {"ed25519", "ecdsa-nistp256", "ecdsa-nistp384", "ecdsa-nistp521", "rsa"}
    for key in keys:
        public = server.folder / "state/host_keys" / f"{key['type']}.{key['label']}.pub"
        listed = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout.split()
        assert listed[1] == key["fingerprint"] and int(listed[0]) == key["bits"]
    text = server.ctl("sh", "cry", "key", "mypub", "ecdsa").stdout
    assert text.count("Key label: the_default") == 3
    assert "Type      : ECDSA General Curve Nistp521\nDegree    : 521\n" in text
    assert "Type      : ED25519\nSize      : 256\n" in server.ctl("show", "crypto", "key", "mypubkey", "ed25519").stdout


def test_sluicectl_takes_over_the_key_of_a_server_before(server):
    key = make_key(server.folder / "old_host", "ecdsa")
    server.ctl("crypto", "key", "import", key)
    server.reload("")
    assert host_key(server, "ecdsa") == key.with_suffix(".pub").read_text().split()[1]


def test_sluicectl_finds_the_keys_of_the_server_that_it_is_told_of(server):
    """By its socket alone, wherever its folder is."""
    def ctl(*words, **more):
        return subprocess.run([CTL, "--socket", server.folder / "state/control", *words], capture_output=True, text=True, timeout=TIMEOUT,
                              stdin=more.pop("stdin", subprocess.DEVNULL), **more)
    shown = ctl("--json", "show", "crypto", "key", "mypubkey", "ed25519")
    assert json.loads(shown.stdout) == json.loads(server.ctl("--json", "show", "crypto", "key", "mypubkey", "ed25519").stdout) != []
    before = host_key(server, "ed25519")
    kept = ctl("crypto", "key", "generate", "ed25519")
    assert kept.returncode == 1 and "--yes" in kept.stderr and host_key(server, "ed25519") == before
    assert ctl("--yes", "crypto", "key", "generate", "ed25519").returncode == 0
    public = (server.folder / "state/host_keys/ed25519.the_default.pub").read_text().split()[1]
    assert public != before and host_key(server, "ed25519") == public
    # In the shell as well, whose server says where they are.
    key = make_key(server.folder / "of_a_file", "ed25519")
    done = subprocess.run([CTL, "--yes", "--socket", server.folder / "state/control"], input=f"crypto key import {key} label other\nexit\n",
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert (server.folder / "state/host_keys/ed25519.other.pub").read_text().split()[1] == key.with_suffix(".pub").read_text().split()[1]


def test_what_is_asked_of_a_session_that_is_not_there_fails(server):
    for words in (["clear", "ssh", "4242"], ["ssh", "rekey", "4242"]):
        done = server.ctl(*words, check=False)
        assert done.returncode == 1 and "There is no session 4242" in done.stderr and not done.stdout, (words, done)


def test_a_bar_chooses_lines_of_a_show(server):
    assert server.ctl("show", "ssh", "server", "|", "include", "DSCP").stdout == "DSCP := 16\n"
    assert server.ctl("show ssh server | count :=").stdout.startswith("Number of lines which match regexp = ")
    done = server.ctl("show ssh server | grep x", check=False)
    assert done.returncode == 2 and "include" in done.stderr


def test_sluicectl_says_what_it_expected_and_replaces_nothing_unasked(server):
    for words, expected in ((["crypto", "key", "generate", "des"], "rsa, dsa, ecdsa or ed25519"),
                            (["crypto", "key", "generate", "rsa", "modulus", "99"], "1024..16384"),
                            (["crypto", "key", "generate", "rsa", "label", "../x"], "letters"),
                            (["show", "nonsense"], "unknown word")):
        done = server.ctl(*words, check=False)
        assert done.returncode == 2 and expected in done.stderr, (words, done.stderr)
    before = host_key(server, "ed25519")
    done = subprocess.run([CTL, "--state-dir", server.folder / "state", "crypto", "key", "generate", "ed25519"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT)
    assert done.returncode == 1 and "--yes" in done.stderr
    server.reload("")
    assert host_key(server, "ed25519") == before
