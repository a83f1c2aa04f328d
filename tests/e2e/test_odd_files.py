"""Files and folders as they are seldom: a very large folder, beyond 4 GiB, names that are no text, links in circles, full disks,
files that shrink. Each by SFTP and by scp's legacy protocol, with stock clients."""
import ctypes
import hashlib
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
from tests.support.ssh_servers import Sluiced, USER, family_of  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
FULL = bool(os.environ.get("SLUICE_TEST_FULL"))
TIMEOUT = 300
HOST = f"{USER}@127.0.0.1"
# What carries scp: its own protocol, or SFTP.
PROTOCOLS = {"legacy": "-O", "sftp": "-s"}
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Before the server starts: what a test mounts is there for it too, and for nobody else.
    if os.getuid() == 0 and LIBC.unshare(CLONE_NEWNS) == 0:
        LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    with Sluiced(BUILD, tmp_path_factory.mktemp("server"), "workers count 2") as running:
        yield running


def sftp(server, commands, timeout=TIMEOUT):
    return subprocess.run(["sftp", "-b", "-", *server.options(), "-P", str(server.port), HOST], input=os.fsencode(commands),
                          capture_output=True, timeout=timeout)


def scp(server, *words, timeout=TIMEOUT):
    return subprocess.run(["scp", "-q", *server.options(), "-P", str(server.port), *words], capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)


def paramiko_transport(server):
    transport = paramiko.Transport(("127.0.0.1", server.port))
    transport.connect(username=USER, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
    return transport


def peaks(server):
    """The most memory that each of the server's processes ever had, in KiB."""
    found = {}
    for pid in family_of(server.process.pid):
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    found[pid] = int(line.split()[1])
        except OSError:
            pass
    return found


@pytest.fixture
def in_memory():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-odd-", dir="/dev/shm"))
    yield folder
    # rmtree would take its time for a million names.
    subprocess.run(["rm", "-rf", folder], check=True)


def test_a_very_large_folder_is_listed_and_costs_no_memory(server, in_memory):
    entries = 1_000_000 if FULL else 100_000
    folder = in_memory / "many"
    folder.mkdir()
    (in_memory / "one").touch()
    handle = os.open(folder, os.O_RDONLY)
    for i in range(entries):
        os.symlink("x", f"{i:07}", dir_fd=handle)
    os.close(handle)
    expected = hashlib.sha256("".join(f"{i:07}\n" for i in range(entries)).encode()).hexdigest()
    transport = paramiko_transport(server)
    try:
        client = transport.open_sftp_client()
        client.listdir(str(in_memory))
        before = peaks(server)
        names = sorted(entry.filename for entry in client.listdir_iter(str(folder), read_aheads=50))
        assert hashlib.sha256("".join(name + "\n" for name in names).encode()).hexdigest() == expected
        done = sftp(server, f"cd {folder}\nls -1\n", timeout=10 * TIMEOUT)
        assert done.returncode == 0, done.stderr
        listed = b"".join(line + b"\n" for line in done.stdout.splitlines() if not line.startswith(b"sftp>"))
        assert hashlib.sha256(listed).hexdigest() == expected
        after = peaks(server)
        assert len(before) >= 3
        # All of the names would be some 20 or 200 MB. The second client has its own buffers in the network process.
        for pid, peak in before.items():
            assert after[pid] - peak < 12 << 10, (before, after)
    finally:
        transport.close()


@pytest.fixture
def sparse(in_memory):
    """Of more than 4 GiB, with something at its end."""
    path = in_memory / "sparse"
    with open(path, "wb") as file:
        file.seek((1 << 32) + 70_001)
        file.write(os.urandom(100_000))
    return path


def test_transfers_go_on_beyond_four_gigabytes(server, in_memory, sparse):
    size = sparse.stat().st_size
    tail = 150_000
    with open(sparse, "rb") as file:
        file.seek(size - tail)
        expected = file.read()
    for words in (f"reget {sparse} {in_memory}/resumed\n", f"reput {sparse} {in_memory}/resumed\n"):
        with open(in_memory / "resumed", "wb") as file:
            file.truncate(size - tail)
        done = sftp(server, words)
        assert done.returncode == 0, done.stderr
        with open(in_memory / "resumed", "rb") as file:
            file.seek(size - tail)
            assert file.read() == expected
        assert (in_memory / "resumed").stat().st_size == size


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_that_are_no_text_are_copied_as_they_are(server, tmp_path, protocol):
    tree = os.fsencode(tmp_path) + b"/tree"
    os.mkdir(tree)
    names = [b"latin \xe9", b"\xff\xfe", "snow ☃".encode(), b"-dash", b"star * and [x]", b"back\\slash", b"\"quoted\" 'twice'"]
    for name in names:
        with open(tree + b"/" + name, "wb") as file:
            file.write(name)
    os.mkdir(tree + b"/\xe4 folder")
    with open(tree + b"/\xe4 folder/\xfc", "wb") as file:
        file.write(b"inside")
    there, back = os.fsencode(tmp_path) + b"/there", os.fsencode(tmp_path) + b"/back"
    done = scp(server, PROTOCOLS[protocol], "-r", tree, HOST.encode() + b":" + there)
    assert done.returncode == 0, done.stderr
    done = scp(server, PROTOCOLS[protocol], "-r", HOST.encode() + b":" + there, back)
    assert done.returncode == 0, done.stderr
    for copy in (there, back):
        assert sorted(os.listdir(copy)) == sorted([*names, b"\xe4 folder"])
        for name in names:
            with open(copy + b"/" + name, "rb") as file:
                assert file.read() == name
        with open(copy + b"/\xe4 folder/\xfc", "rb") as file:
            assert file.read() == b"inside"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_links_in_circles_are_named_and_the_rest_is_copied(server, tmp_path, protocol):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    (tree / "file").write_text("content")
    done = scp(server, PROTOCOLS[protocol], f"{HOST}:{tree}/a", tmp_path / "copy")
    assert done.returncode == 1
    # OpenSSH's SFTP server says of it what it says of a file that is not there, and SFTP's clients say no more than that.
    assert (b"Too many levels of symbolic links" if protocol == "legacy" else b"No such file") in done.stderr
    done = scp(server, PROTOCOLS[protocol], "-r", f"{HOST}:{tree}", tmp_path / "back")
    assert (tmp_path / "back" / "file").read_text() == "content"
    done = scp(server, PROTOCOLS[protocol], tree / "file", f"{HOST}:{tree}/a")
    assert done.returncode == 1
    assert os.readlink(tree / "a") == "b" and os.readlink(tree / "b") == "a"


def test_a_folder_that_is_linked_into_itself_ends_somewhere(server, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_text("content")
    (tree / "self").symlink_to(".")
    done = scp(server, "-O", "-r", f"{HOST}:{tree}", tmp_path / "back")
    assert done.returncode == 1 and b"Too many levels of symbolic links" in done.stderr
    assert 10 < len(list((tmp_path / "back").rglob("file"))) < 100
    again = scp(server, "-O", f"{HOST}:{tree}/file", tmp_path / "again")
    assert again.returncode == 0, again.stderr


@pytest.fixture(params=["tmpfs", "overlay"])
def small_disk(request, server, tmp_path):
    """A disk of 2 MiB: one that is written on the worker, and one that is written by the pool."""
    if os.getuid() != 0:
        pytest.skip("no right to mount")
    small = tmp_path / "small"
    small.mkdir()
    mounts = []

    def mount(kind, target, options):
        # Where the server is: it shares these mounts with us.
        if LIBC.mount(kind, os.fsencode(target), kind, 0, options) != 0:
            pytest.skip(f"no {kind.decode()}: {os.strerror(ctypes.get_errno())}")
        mounts.append(target)

    try:
        mount(b"tmpfs", small, b"size=2m,mode=777")
        where = small
        if request.param == "overlay":
            for name in ("upper", "work", "lower"):
                (small / name).mkdir()
            where = tmp_path / "merged"
            where.mkdir()
            mount(b"overlay", where, f"lowerdir={small}/lower,upperdir={small}/upper,workdir={small}/work".encode())
        yield where
    finally:
        for target in reversed(mounts):
            LIBC.umount2(os.fsencode(target), MNT_DETACH)


def test_a_full_disk_is_named_and_the_next_file_is_whole(server, small_disk, tmp_path):
    source, fits = tmp_path / "source", tmp_path / "fits"
    source.write_bytes(os.urandom(6_000_000))
    fits.write_bytes(os.urandom(100_000))
    for protocol in PROTOCOLS.values():
        done = scp(server, protocol, source, f"{HOST}:{small_disk}/large")
        assert done.returncode == 1
        # SFTP's clients know no such status: what they say is theirs.
        assert b"No space left on device" in done.stderr or (protocol == "-s" and b"Failure" in done.stderr), done.stderr
        # By SFTP there may be holes, and the client cuts the file as it likes.
        if protocol == "-O":
            written = (small_disk / "large").read_bytes()
            assert 0 < len(written) <= 2 << 20
            assert written == source.read_bytes()[:len(written)]
        (small_disk / "large").unlink()
        done = scp(server, protocol, fits, f"{HOST}:{small_disk}/fits")
        assert done.returncode == 0, done.stderr
        assert (small_disk / "fits").read_bytes() == fits.read_bytes()
        (small_disk / "fits").unlink()
    # In one session, one file behind the other.
    (tmp_path / "tree").mkdir()
    shutil.copy(source, tmp_path / "tree" / "a-large")
    shutil.copy(fits, tmp_path / "tree" / "b-fits")
    done = scp(server, "-O", "-r", tmp_path / "tree", f"{HOST}:{small_disk}/tree")
    assert done.returncode == 1 and b"a-large: No space left on device" in done.stderr
    assert (small_disk / "tree" / "b-fits").exists()


@pytest.mark.parametrize("parent", ["/dev/shm", "/var/tmp"])
def test_a_file_that_shrinks_while_it_is_sent_is_named(parent, tmp_path):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-shrinks-", dir=parent))
    content = os.urandom(40_000_000)
    left = 100_000
    try:
        with Sluiced(BUILD, tmp_path / "server", "sftp server bandwidth all 8000") as server:
            for protocol in PROTOCOLS.values():
                (folder / "file").write_bytes(content)
                copy = tmp_path / f"copy{protocol}"
                with subprocess.Popen(["scp", protocol, "-q", *server.options(), "-P", str(server.port), f"{HOST}:{folder}/file", copy],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
                    deadline = time.monotonic() + TIMEOUT
                    while not copy.exists() or copy.stat().st_size < 1_000_000:
                        assert running.poll() is None and time.monotonic() < deadline
                        time.sleep(0.01)
                    os.truncate(folder / "file", left)
                    said = running.stderr.read()
                    status = running.wait(TIMEOUT)
                received = copy.read_bytes()
                assert received[:1_000_000] == content[:1_000_000]
                if protocol == "-O":
                    # As many bytes as were promised; the rest of them is nothing, and is told.
                    assert status == 1 and b"became shorter" in said
                    assert len(received) == len(content) and received[-1_000_000:] == bytes(1_000_000)
                else:
                    assert len(received) < len(content)
                    assert received == content[:len(received)]
    finally:
        shutil.rmtree(folder)
