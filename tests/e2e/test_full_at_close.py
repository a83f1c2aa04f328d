"""Whoever writes to a file system that says only at close(2) that there is no space hears of it: by SFTP and by scp's protocol."""
import ctypes
import os
import pathlib
import subprocess
import sys
import time

import paramiko
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
LIBC = ctypes.CDLL(None, use_errno=True)
HOST = f"{USER}@127.0.0.1"
TEXT = "Disk quota exceeded"


# A file is closed twice after it was written: where it was written, and where it was opened.
@pytest.fixture(params=(1, 2))
def full(request, tmp_path):
    if os.getuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK) or LIBC.unshare(CLONE_NEWNS) != 0 or \
            LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        pytest.skip("no /dev/fuse, or no right to mount")
    folder, log = tmp_path / f"full-{request.param}", tmp_path / "full.log"
    folder.mkdir()
    with open(log, "wb") as output:
        program = subprocess.Popen([sys.executable, ROOT / "tests/support/full_files.py", folder, str(request.param)],
                                   stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while "mounted" not in log.read_text() and program.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if "mounted" not in log.read_text():
            pytest.skip("no /dev/fuse, or no right to mount")
        yield folder
    finally:
        program.kill()
        program.wait()
        LIBC.umount2(os.fsencode(folder), MNT_DETACH)


@pytest.fixture
def server(full, tmp_path):
    with Sluiced(BUILD, tmp_path / "server", "workers count 1", "sftp server transfer-log") as running:
        yield running


@pytest.fixture(params=(5, 300_000))
def source(request, tmp_path):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(request.param))
    return path


@pytest.mark.parametrize("protocol", ("-O", "-s"))
def test_copying_fails(server, full, source, protocol):
    done = subprocess.run(["scp", protocol, *server.options(), "-P", str(server.port), source, f"{HOST}:{full}/file"],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    if protocol == "-O":
        assert f"{full}/file: {TEXT}" in done.stderr
    deadline = time.monotonic() + 60
    while TEXT not in server.log.read_text(errors="replace"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("words", ("sftp -b -", "scp -s", "scp -O"))
def test_our_own_programs_fail_too(server, full, source, words):
    program, *flags = words.split()
    place = [] if program == "sftp" else [source, f"{HOST}:{full}/file"]
    done = subprocess.run([BUILD / "apps/sluice/sluice", program, *flags, *server.options(), "-P", str(server.port), *place,
                           *([HOST] if program == "sftp" else [])],
                          input=f"put {source} {full}/file\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and TEXT in done.stderr, done


def test_a_get_into_it_fails(server, full, source):
    # One close is all there is to it here: the second one's failure has nobody to hear it.
    done = subprocess.run([BUILD / "apps/sluice/sluice", "sftp", "-b", "-", *server.options(), "-P", str(server.port), HOST],
                          input=f"get {source} {full}/file\n", capture_output=True, text=True, timeout=120)
    first = "-1" in full.name
    assert (done.returncode, TEXT in done.stderr) == ((1, True) if first else (0, False)), done


def test_the_answer_to_close_says_why_and_the_handle_is_gone(server, full, source):
    transport = paramiko.Transport(("127.0.0.1", server.port))
    transport.connect(username=USER, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
    try:
        client = transport.open_sftp_client()
        for _ in range(20):
            file = client.open(f"{full}/file", "r+")
            file.write(source.read_bytes())
            with pytest.raises(OSError, match=TEXT):
                client._request(4, file.handle)
            with pytest.raises(OSError, match="No such handle"):
                client._request(4, file.handle)
            file._closed = True
            # What was only read is closed as ever.
            with client.open(f"{full}/file", "r") as file:
                file.read(10)
    finally:
        transport.close()
