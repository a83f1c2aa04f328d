"""What a user may use for file transfers is shared by all of his connections, whichever worker serves them."""
import contextlib
import os
import pathlib
import subprocess
import sys
import time

import paramiko
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.support.root_world import RootWorld, available  # noqa: E402
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
TIMEOUT = 180
# Each connection goes to the worker with the fewest.
WORKERS = "workers count 2"


@contextlib.contextmanager
def paramiko_client(server):
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.connect(username=USER, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
        yield paramiko.SFTPClient.from_transport(transport)
    finally:
        transport.close()


def copies(server, source, target):
    """The same download by both protocols, each on a connection of its own."""
    return [subprocess.Popen(["scp", word, "-q", *server.options(), "-P", str(server.port), f"{USER}@127.0.0.1:{source}",
                              f"{target}{word}"], stdin=subprocess.DEVNULL) for word in ("-O", "-s")]


def test_connections_share_handles(tmp_path):
    with Sluiced(BUILD, tmp_path / "server", WORKERS, "sftp server handles 3") as server, \
            paramiko_client(server) as first, paramiko_client(server) as second:
        for name in "abcd":
            (tmp_path / name).write_text(name)
        files = [client.open(f"{tmp_path}/{name}") for client, name in ((first, "a"), (first, "b"), (second, "c"))]
        for client in (first, second):
            with pytest.raises(OSError):
                client.open(f"{tmp_path}/d")
            with pytest.raises(OSError):
                client.listdir(str(tmp_path))
        copy = ["scp", "-O", *server.options(), "-P", str(server.port), f"{USER}@127.0.0.1:{tmp_path}/d", tmp_path / "copy"]
        done = subprocess.run(copy, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and b"too many open files" in done.stderr
        files[0].close()
        with second.open(f"{tmp_path}/d") as file:
            assert file.read() == b"d"
        subprocess.run(copy, check=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        assert (tmp_path / "copy").read_text() == "d"


def test_connections_share_bandwidth(tmp_path):
    size = 1_000_000
    (tmp_path / "source").write_bytes(os.urandom(size))
    with Sluiced(BUILD, tmp_path / "server", WORKERS, "sftp server bandwidth all 1000") as server:
        begin = time.monotonic()
        running = copies(server, tmp_path / "source", tmp_path / "copy")
        assert [copy.wait(TIMEOUT) for copy in running] == [0, 0]
        # Each alone would be done in less than a second. What a tenth of one brings is free, and the last piece is owed.
        assert time.monotonic() - begin > (2 * size - 2 * 102_400) / 1_024_000
        for word in ("-O", "-s"):
            assert (tmp_path / f"copy{word}").read_bytes() == (tmp_path / "source").read_bytes()


def test_a_users_own_bandwidth_comes_before_everybodys(tmp_path):
    size = 1_000_000
    (tmp_path / "source").write_bytes(os.urandom(size))
    with Sluiced(BUILD, tmp_path / "server", WORKERS, "sftp server bandwidth all 1",
                 f"sftp server bandwidth user {USER} 1000000") as server:
        running = copies(server, tmp_path / "source", tmp_path / "copy")
        assert [copy.wait(TIMEOUT) for copy in running] == [0, 0]


def test_little_memory_makes_transfers_no_less_right(tmp_path):
    """On a disk, and with a folder whose listing does not fit."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(os.urandom(30_000_000))
    for i in range(2000):
        (source / f"{i:05}{'n' * 200}").touch()
    with Sluiced(BUILD, tmp_path / "server", WORKERS, "sftp server memory 1", "workers record-memory 16") as server:
        base = ["-q", "-r", *server.options(), "-P", str(server.port)]
        host = f"{USER}@127.0.0.1:"
        there = [subprocess.Popen(["scp", word, *base, source, f"{host}{tmp_path}/there{word}"], stdin=subprocess.DEVNULL)
                 for word in ("-O", "-s")]
        assert [copy.wait(TIMEOUT) for copy in there] == [0, 0]
        back = [subprocess.Popen(["scp", word, *base, f"{host}{tmp_path}/there{word}", tmp_path / f"back{word}"],
                                 stdin=subprocess.DEVNULL) for word in ("-O", "-s")]
        assert [copy.wait(TIMEOUT) for copy in back] == [0, 0]
    for folder in ("there-O", "there-s", "back-O", "back-s"):
        assert (tmp_path / folder / "large").read_bytes() == (source / "large").read_bytes()
        assert sorted(os.listdir(tmp_path / folder)) == sorted(os.listdir(source))


@pytest.mark.skipif(not available(), reason="only root serves several users")
def test_who_opens_many_files_for_writing_leaves_others_wide_windows(tmp_path):
    budget, least = 1024 << 20, 2 << 20

    def windows(world, user, count):
        """Of connections that each write one file, as the client was told."""
        sums = []
        for i in range(count):
            transport = paramiko.Transport(("127.0.0.1", world.port))
            stack.callback(transport.close)
            transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(str(world.folder / user)))
            client = paramiko.SFTPClient.from_transport(transport)
            stack.enter_context(client.open(f"file{i}", "wb"))
            # The adjustment comes before the next answer or with it.
            client.stat(".")
            sums.append(client.get_channel().out_window_size)
        return sums

    with contextlib.ExitStack() as stack, RootWorld(BUILD, tmp_path, f"ssh server window-budget {budget >> 20}",
                                                    "ssh server login-limit 100", "ssh server login-limit-source 100",
                                                    "ssh server rate-limit 1000") as world:
        greedy = windows(world, "ann", 40)
        assert sum(max(0, window - least) for window in greedy) <= budget // 2
        assert max(greedy) > least, "what nobody else wants is lent"
        assert min(windows(world, "bob", 3)) > 4 * least, "too little is left for another user"
