"""sluiced as a program: its configuration's errors, its signals, and what its network process may still do."""
import contextlib
import errno
import os
import pathlib
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support import asked_calls  # noqa: E402
from tests.support.ssh_servers import Sluiced, USER, family_of, free_port  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
PROGRAM = BUILD / "apps/sluiced/sluiced"


@pytest.fixture
def server(tmp_path):
    with Sluiced(BUILD, tmp_path) as server:
        yield server


def ssh(server, *words, **options):
    return subprocess.run(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", *words],
                          capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL, **options)


def network_process(server):
    for pid in family_of(server.process.pid):
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "sluiced-net":
                return pid
        except OSError:
            # Gone since: it was somebody else's.
            pass
    raise AssertionError("no network process")


def test_a_wrong_line_is_refused_with_the_word_and_what_was_expected():
    done = subprocess.run([PROGRAM, "-t", "-f", "/dev/null", "-o", "ssh server rekey-volume 99999"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "99999" in done.stderr and "1024-4095" in done.stderr


def test_a_good_configuration_is_only_checked():
    done = subprocess.run([PROGRAM, "-t", "-f", "/dev/null", "-o", "ssh server rekey-volume 2048"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_commands_run_and_their_status_comes_back(server):
    done = ssh(server, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_the_network_process_has_no_rights_left(server):
    assert ssh(server, "true").returncode == 0
    pid = network_process(server)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"
    if os.getuid() == 0:
        assert "0" not in facts["Uid"].split() and "0" not in facts["Gid"].split()
        assert facts["Groups"].split() == []
        assert int(facts["CapEff"], 16) == 0
        assert os.listdir(f"/proc/{pid}/root/") == []


@pytest.mark.skipif(not asked_calls.possible(), reason="ptrace of another account's process, on x86-64")
def test_the_network_process_is_refused_whatever_it_asks_for(server):
    holder = subprocess.Popen(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("before\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "before\n"
        pid = network_process(server)
        monitor = server.process.pid
        with asked_calls.asking(pid) as asked:
            # That questions are answered at all.
            assert asked.call(asked_calls.GETPID) == pid
            here = -100
            for path in (b"/etc/passwd", b"/dev/null", b".", b"/proc/self/mem", os.fsencode(server.key)):
                assert asked.call(asked_calls.OPENAT, here, asked.text(path), os.O_RDONLY) == -errno.EPERM, path
            assert asked.call(asked_calls.OPENAT, here, asked.text(b"/tmp/made"), os.O_CREAT | os.O_WRONLY, 0o600) == -errno.EPERM
            assert asked.call(asked_calls.EXECVE, asked.text(b"/bin/sh"), 0, 0) == -errno.EPERM
            assert asked.call(asked_calls.FORK) == -errno.EPERM
            assert asked.call(asked_calls.SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0) == -errno.EPERM
            assert asked.call(asked_calls.KILL, monitor, signal.SIGKILL) == -errno.EPERM
        # And it goes on serving.
        holder.stdin.write("behind\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "behind\n"
        assert ssh(server, "true").returncode == 0
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts it in another account")
def test_no_process_may_be_traced_or_leaves_a_core_file(tmp_path):
    """Of a process that is not dumpable the kernel gives root what its account could read: keys of hosts among them."""
    account = pwd.getpwnam("nobody")
    state = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(state, account.pw_uid, account.pw_gid)
    port = str(free_port())
    words = [PROGRAM, "-D", "-f", "/dev/null", "-p", port, "--listen", "127.0.0.1", "--state-dir", state / "state"]
    process = subprocess.Popen(words, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", stderr=subprocess.DEVNULL,
                               env={"HOME": str(state), "PATH": os.environ["PATH"]})
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
                if connection.recv(4).startswith(b"SSH"):
                    break
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        family = family_of(process.pid)
        assert len(family) >= 3
        assert {pid: os.stat(f"/proc/{pid}/environ").st_uid for pid in family} == {pid: 0 for pid in family}
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(state)


def test_a_reload_leaves_sessions_alone(server):
    holder = subprocess.Popen(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "one\n"
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 120
        while "configuration reloaded" not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        holder.stdin.write("two\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "two\n"
        assert ssh(server, "true").returncode == 0
    finally:
        holder.kill()
        holder.wait()


def test_term_lets_a_session_end_and_takes_no_new_one(server):
    holder = subprocess.Popen(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "one\n"
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 120
        while "draining" not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        assert ssh(server, "true").returncode == 255
        out, _ = holder.communicate("two\n", timeout=120)
        assert out == "two\n" and holder.returncode == 0
        assert server.process.wait(120) == 0
    finally:
        holder.kill()
        holder.wait()


def test_a_stranger_s_last_words_are_no_line_of_their_own_in_the_log(server):
    words = b"bye\r\naccepted publickey for root from 192.0.2.1: SHA256:forged \x1b[2J\xc2\xc2\x9b\x9b1m"
    payload = b"\x01" + struct.pack(">I", 11) + struct.pack(">I", len(words)) + words + struct.pack(">I", 0)
    padding = 4 + -(5 + len(payload) + 4) % 8
    packet = struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)
    with socket.create_connection(("127.0.0.1", server.port), 60) as stranger:
        stranger.settimeout(60)
        stranger.sendall(b"SSH-2.0-stranger\r\n" + packet)
        while stranger.recv(65536):
            pass
    deadline = time.monotonic() + 20
    while "forged" not in server.log.read_text(errors="replace"):
        assert time.monotonic() < deadline, server.log.read_text(errors="replace")
        time.sleep(0.05)
    log = server.log.read_bytes()
    assert not any(line.startswith(b"accepted publickey for root") for line in log.splitlines())
    assert b"\x1b" not in log and b"\xc2\x9b" not in log


def with_key_options(server, options):
    server.authorized.write_text(options + " " + (server.folder / "user.pub").read_text())


def test_a_key_s_line_sets_the_variables_that_the_configuration_names_and_no_others(tmp_path):
    options = 'environment="FROM_KEY=yes",environment="LD_PRELOAD=/nowhere.so"'
    command = 'echo "[$FROM_KEY] [$LD_PRELOAD]"'
    with Sluiced(BUILD, tmp_path / "none") as server:
        with_key_options(server, options)
        assert ssh(server, command).stdout == "[] []\n"
    with Sluiced(BUILD, tmp_path / "some", "login key-environment FROM_*") as server:
        with_key_options(server, options)
        assert ssh(server, command).stdout == "[yes] []\n"


def sftp(server, batch):
    return subprocess.run(["sftp", *server.options(), "-P", str(server.port), "-b", "-", f"{USER}@127.0.0.1"], input=batch,
                          capture_output=True, text=True, timeout=60)


def test_a_forced_file_service_keeps_its_limits(server, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "there").write_text("x")
    with_key_options(server, f'command="internal-sftp -d {folder} -u 077"')
    assert sftp(server, "mkdir private").returncode == 0
    assert (folder / "private").stat().st_mode & 0o777 == 0o700
    with_key_options(server, f'command="internal-sftp -R -d {folder}"')
    assert sftp(server, "rm there").returncode != 0
    assert sftp(server, "ls there").returncode == 0
    # A limit that is not known here leaves nothing.
    with_key_options(server, f'command="internal-sftp -d {folder} -P remove"')
    assert sftp(server, "rm there").returncode != 0
    assert sftp(server, "ls there").returncode != 0
    assert (folder / "there").exists()


def places_of(text, pid):
    """The mappings of a process' memory that may be written to and have the text somewhere."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(part, 16) for part in place.split("-"))
            if not rights.startswith("rw") or "[v" in line:
                continue
            memory.seek(begin)
            try:
                if text.encode() in memory.read(end - begin):
                    found.append(line)
            except OSError:
                pass
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="only root reads another process' memory")
def test_users_and_keys_of_other_servers_are_in_no_memory_of_the_network_process(tmp_path):
    settings = tmp_path / "settings"
    secrets = ["a-users-secret-0815", "a-radius-key-0816", "a-tacacs-key-0817"]
    banner = "a-banner-that-is-to-be-found-0818"

    class FromFile(Sluiced):
        def start(self):
            settings.write_text(f"login authorized-keys {self.authorized}\nlogin root yes\nno login strict-modes\n"
                                f"username alice privilege 15 secret 0 {secrets[0]}\n"
                                f"radius-server host 192.0.2.1 key {secrets[1]}\n"
                                f"tacacs-server host 192.0.2.2 key {secrets[2]}\n")
            return self.launch(lambda port: [self.program, "-D", "-f", settings, "-p", port, "--listen", "127.0.0.1", "--state-dir",
                                self.folder / "state"])

    with FromFile(BUILD, tmp_path / "server") as server:
        assert ssh(server, "true").returncode == 0
        pid = network_process(server)
        assert [secret for secret in secrets if places_of(secret, pid)] == []
        assert all(places_of(secret, server.process.pid) for secret in secrets), "the search finds nothing at all"
        settings.write_text(settings.read_text() + f"banner login c {banner} c\n")
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while "configuration reloaded" not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        assert places_of(banner, pid) != []
        assert [secret for secret in secrets if places_of(secret, pid)] == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root reads another process' memory")
def test_a_password_stays_in_no_memory_of_the_network_process(server, tmp_path):
    password = "correct-horse-battery-staple-4711"
    script = tmp_path / "ask"
    script.write_text("#!/bin/sh\necho " + password + "\n")
    script.chmod(0o755)
    words = ["BatchMode=no" if word == "BatchMode=yes" else word for word in server.options()]
    environment = dict(os.environ, SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
    done = subprocess.run(["ssh", *words, "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1",
                           "-p", str(server.port), f"{USER}@127.0.0.1", "true"], env=environment, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True)
    assert done.returncode == 255 and "denied" in done.stderr, done.stderr
    assert places_of(password, network_process(server)) == []


def test_a_reload_turns_away_who_was_taken_out_of_the_configuration(tmp_path):
    settings = tmp_path / "settings"

    class FromFile(Sluiced):
        def start(self):
            settings.write_text(f"login authorized-keys {self.authorized}\nlogin root yes\nno login strict-modes\n")
            return self.launch(lambda port: [self.program, "-D", "-f", settings, "-p", port, "--listen", "127.0.0.1", "--state-dir",
                                self.folder / "state"])

    with FromFile(BUILD, tmp_path / "server") as server:
        assert ssh(server, "true").returncode == 0
        settings.write_text(settings.read_text() + f"login deny-users {USER}\n")
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while ssh(server, "true").returncode == 0:
            assert time.monotonic() < deadline, server.log.read_text()
        assert "denied by name" in server.log.read_text()
