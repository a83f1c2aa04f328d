"""sluiced as a program: its configuration's errors, its signals, and what its network process may still do."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.ssh_servers import Sluiced, USER, family_of  # noqa: E402

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
