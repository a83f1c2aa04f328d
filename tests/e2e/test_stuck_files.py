"""What a user's own file system, which stops answering, does to everybody else on the server: nothing."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import paramiko
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
WORKERS = "workers count 1"
# An account that every system has, and that may use SFTP.
MALLORY = "daemon"
PROTOCOLS = ("sftp", "scp")


def in_own_mounts():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0


@pytest.fixture
def everybodys_folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-stuck-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stuck(everybodys_folder):
    """The folder with `file`, and a word to look for in what was not answered."""
    if os.getuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK) or not in_own_mounts():
        pytest.skip("no /dev/fuse, or no right to mount")
    mount_point = everybodys_folder / "stuck"
    mount_point.mkdir()
    log = everybodys_folder / "unanswered"
    with open(log, "wb") as output:
        program = subprocess.Popen([sys.executable, str(ROOT / "tests/support/stuck_files.py"), str(mount_point), MALLORY],
                                   stdout=output, stderr=output)
    try:
        wait_until(lambda: "mounted" in log.read_text() or program.poll() is not None)
        if "mounted" not in log.read_text():
            pytest.skip("no /dev/fuse, or no right to mount")
        yield mount_point, log
    finally:
        program.kill()
        program.wait()
        ctypes.CDLL(None).umount2(os.fsencode(mount_point), MNT_DETACH)


@pytest.fixture
def server(everybodys_folder, stuck):
    with Sluiced(BUILD, everybodys_folder / "server", WORKERS) as server:
        yield server


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def hanging(commands):
    """Clients of one user at commands that do not end; each with what it reads."""
    clients = []
    try:
        for command, text in commands:
            clients.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            clients[-1].stdin.write(text.encode())
            clients[-1].stdin.close()
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def copying(server, count, source, target):
    """One end is MALLORY's there, and has a colon in front: by SFTP, and by the legacy protocol."""
    words = ["put", source, target[1:]] if target[0] == ":" else ["get", source[1:], target]
    options = [*server.options(), "-P", str(server.port)]
    there = [f"{MALLORY}@127.0.0.1{end}" if end[0] == ":" else end for end in (source, target)]
    return {"sftp": [(["sftp", *options, "-b", "-", f"{MALLORY}@127.0.0.1"], " ".join(words) + "\n")] * count,
            "scp": [(["scp", "-O", *options, *there], "")] * count}


def serves_others(server, folder):
    done = subprocess.run(["ssh", *server.options(), "-p", str(server.port), f"{USER}@127.0.0.1", "echo hello"], timeout=60,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout == "hello\n", done.stderr
    # On a disk, so that the pool has to be asked.
    source = folder / "source"
    source.write_bytes(os.urandom(300000))
    there, back = pathlib.Path(f"/var/tmp/sluice-stuck-{os.getpid()}"), folder / "back"
    try:
        done = subprocess.run(["sftp", *server.options(), "-P", str(server.port), "-b", "-", f"{USER}@127.0.0.1"], timeout=60,
                              input=f"put {source} {there}\nget {there} {back}\n", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert back.read_bytes() == source.read_bytes()
        back.unlink()
        for ends in ((source, f"{USER}@127.0.0.1:{there}"), (f"{USER}@127.0.0.1:{there}", back)):
            done = subprocess.run(["scp", "-O", *server.options(), "-P", str(server.port), *ends], timeout=60, capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stderr
        assert back.read_bytes() == source.read_bytes()
    finally:
        there.unlink(missing_ok=True)


READ, WRITE, FLUSH = 15, 16, 25


def test_asking_for_checksums_of_files_whose_server_is_stuck_holds_up_nobody_else(server, stuck, tmp_path):
    mount_point, log = stuck
    transport = paramiko.Transport(("127.0.0.1", server.port))
    transport.connect(username=MALLORY, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
    try:
        client = transport.open_sftp_client()
        # What paramiko sends in 64 bits; newer ones call it int64.
        number = getattr(paramiko.sftp, "int64", None) or paramiko.sftp_client.long
        for _ in range(4):
            # SSH_FXP_EXTENDED; it is opened, read and closed, and none of the latter ever ends.
            client._async_request(type(None), 200, "check-file-name", f"{mount_point}/file", "sha256", number(0), number(0), 0)
        wait_until(lambda: unanswered(log, READ) + unanswered(log, FLUSH) >= 1)
        serves_others(server, tmp_path)
    finally:
        transport.close()
    serves_others(server, tmp_path)


def unanswered(log, operation):
    return log.read_text().split().count(str(operation))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_that_never_end_hold_up_nobody_else(server, stuck, tmp_path, protocol):
    mount_point, log = stuck
    with hanging(copying(server, 6, f":{mount_point}/file", "/dev/null")[protocol]):
        wait_until(lambda: unanswered(log, READ) >= 4)
        serves_others(server, tmp_path)
    # And when those clients have left.
    serves_others(server, tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_writes_and_closes_that_never_end_hold_up_nobody_else(server, stuck, tmp_path, protocol):
    mount_point, log = stuck
    source = tmp_path / "large"
    source.write_bytes(bytes(1 << 20))
    with hanging(copying(server, 6, str(source), f":{mount_point}/file")[protocol]):
        wait_until(lambda: unanswered(log, WRITE) >= 1)
        serves_others(server, tmp_path)
    serves_others(server, tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_closing_files_whose_server_is_stuck_holds_up_nobody_else(server, stuck, tmp_path, protocol):
    mount_point, log = stuck
    source = tmp_path / "empty"
    source.write_bytes(b"")
    with hanging(copying(server, 4, str(source), f":{mount_point}/file")[protocol]):
        wait_until(lambda: unanswered(log, FLUSH) >= 1)
        serves_others(server, tmp_path)
    serves_others(server, tmp_path)
