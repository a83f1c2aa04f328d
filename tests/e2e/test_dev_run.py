"""`./dev run` as a person has it, on a terminal: progress, the table, how to connect, serving until Ctrl-C, and nothing left behind."""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.ssh_servers import family_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ["SLUICE_BUILD"]).resolve()
PATIENCE = 240
SUITES = ["aes128-gcm", "aes256-ctr+hmac-sha2-512-etm", "chacha20-poly1305"]
PEERS = ["sluiced", "sshd"] if pathlib.Path("/usr/sbin/sshd").exists() else ["sluiced"]


class OnTerminal:
    """A program with a terminal of its own, and what it showed there."""

    def __init__(self, *words):
        self.shown = ""
        self.status = None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvp(words[0], [str(word) for word in words])

    def read(self, until):
        ready, _, _ = select.select([self.terminal], [], [], max(0, until - time.monotonic()))
        try:
            piece = os.read(self.terminal, 65536) if ready else b""
        except OSError:
            piece = b""  # the last one who had it open is gone
        self.shown += piece.decode(errors="replace").replace("\r\n", "\n")
        return piece

    def wait_for(self, pattern):
        until = time.monotonic() + PATIENCE
        while not re.search(pattern, self.shown):
            assert self.read(until), f"{pattern} never came: {self.shown}"

    def press(self, key):
        os.write(self.terminal, key)

    def wait(self):
        until = time.monotonic() + PATIENCE
        while self.read(until):
            pass
        assert time.monotonic() < until, self.shown
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def end(self):
        if self.status is None:
            for pid in sorted(family_of(self.pid), reverse=True):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture
def run(tmp_path):
    started = []

    def start(*words):
        started.append(OnTerminal("./dev", "run", "--build", BUILD, "--state", tmp_path / "state", *words))
        return started[-1]
    yield start
    for program in started:
        program.end()


def alive(pids):
    """Of these processes those that have not ended; one that nobody has waited for yet has."""
    still = []
    for pid in pids:
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
                still.append(pid)
        except OSError:
            pass
    return still


def folders_of(program):
    return [path for place in ("/dev/shm", "/tmp") for path in pathlib.Path(place).glob(f"sluice-run-{program.pid}-*")]


def nothing_is_left_of(program, pids):
    until = time.monotonic() + PATIENCE
    while alive(pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(pids) and not folders_of(program)


def command_of(shown, name):
    return re.search(rf"^  ({name} .*)$", shown, re.MULTILINE)[1].split()


def logs_in(shown):
    words = command_of(shown, "ssh")
    done = subprocess.run([*words, "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                           "echo served"], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    return done.stdout == "served\n"


def test_it_shows_progress_and_the_table_serves_until_interrupted_and_leaves_nothing(run, tmp_path):
    program = run("--size", "16M")
    program.wait_for("Ctrl-C ends it")
    for suite in SUITES:
        for peer in PEERS:
            # scp's own progress bar, to its end.
            bar = rf"16 MiB to {peer} with {re.escape(suite)} \.\.\.\s+16MiB [^\n]*\n?[^\n]*100% +16MB"
            assert re.search(bar, program.shown), program.shown
        row = rf"^{re.escape(suite)} +\d+\.\d\d" + (r" +\d+\.\d\d +\d+\.\d\dx$" if "sshd" in PEERS else " +- +-$")
        assert re.search(row, program.shown, re.MULTILINE), program.shown
    port = int(re.search(r"Serving \S+ on 127\.0\.0\.1 port (\d+)", program.shown)[1])
    assert logs_in(program.shown)
    sftp = command_of(program.shown, "sftp")
    options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-b", "-"]
    (tmp_path / "sent").write_bytes(os.urandom(50_000))
    subprocess.run([sftp[0], *options, *sftp[1:]], input=f"put {tmp_path}/sent {tmp_path}/came\n".encode(), check=True, timeout=PATIENCE,
                   capture_output=True)
    assert (tmp_path / "came").read_bytes() == (tmp_path / "sent").read_bytes()
    # It is not the first session's end that ends it.
    assert logs_in(program.shown)
    pids = family_of(program.pid)
    assert len(pids) > 1
    program.press(b"\x03")
    assert program.wait() == 0, program.shown
    nothing_is_left_of(program, pids)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_once_it_ends_after_the_table(run):
    program = run("--size", "1M", "--once")
    program.wait_for("to sluiced with aes128-gcm")
    pids = family_of(program.pid)
    assert program.wait() == 0, program.shown
    assert "bench transfer" in program.shown and "Serving" not in program.shown
    nothing_is_left_of(program, pids)


@pytest.mark.parametrize("how", ["the terminal's key", "SIGTERM", "SIGHUP"])
def test_interrupted_while_it_measures_it_leaves_nothing(run, how):
    program = run("--size", "1G")
    program.wait_for(r"1 GiB to sluiced with aes128-gcm")
    pids = family_of(program.pid)
    assert folders_of(program)
    if how == "the terminal's key":
        program.press(b"\x03")
    else:
        os.kill(program.pid, getattr(signal, how))
    program.wait()
    nothing_is_left_of(program, pids)


def test_a_size_that_is_none_is_refused_and_nothing_is_started(run):
    for size in ("16", "1K", "much", "-1M"):
        program = run("--size=" + size)
        assert program.wait() == 2 and "such as 16M or 1G" in program.shown, program.shown


def test_what_is_built_already_is_not_built_again(tmp_path):
    targets = ["apps/sluiced/sluiced", "apps/sluice/sluice"]
    build = ROOT / "build"
    if BUILD != build or shutil.which("ninja") is None:
        pytest.skip("another build folder than that of ./dev run")
    # A dry run cannot say it: the commit's number is looked up each time, and mostly is what it was.
    subprocess.run(["ninja", "-C", build, *targets], capture_output=True, timeout=PATIENCE, check=True)
    before = [(build / target).stat().st_mtime_ns for target in targets]
    program = OnTerminal("./dev", "run", "--size", "1M", "--once", "--state", tmp_path / "state")
    try:
        assert program.wait() == 0, program.shown
    finally:
        program.end()
    assert [(build / target).stat().st_mtime_ns for target in targets] == before
