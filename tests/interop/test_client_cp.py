"""sluice cp against sluiced and stock servers: checksums, trees, rekeying, resuming after cuts, files that change.

Cuts are by seed: twenty by default, two hundred with SLUICE_TEST_FULL=1. SLUICE_CUT_SEED=N runs that one alone.
"""
import asyncio
import hashlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import asyncssh
import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.cut_relay import CutRelay  # noqa: E402
from tests.support.small_disk import small_disk  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
SLUICE = BUILD / "apps/sluice/sluice"
# Whoever shares the machine may stop everything for minutes.
TIMEOUT = 900
FULL = os.environ.get("SLUICE_TEST_FULL")
SIZES = {"empty": 0, "one": 1, "odd": 32769, "records": 700_001, "large": 20_000_003}


class AsyncsshServer:
    """AsyncSSH's SFTP server: neither limits nor check-file, and requests of one client run side by side."""

    def __init__(self, folder, key, sftp=True):
        self.folder, self.key, self.sftp = folder, key, sftp

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        listening = asyncssh.listen("127.0.0.1", 0, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
                                    authorized_client_keys=str(self.key) + ".pub", sftp_factory=self.sftp, allow_scp=False)
        self.server = asyncio.run_coroutine_threadsafe(self.call(listening), self.loop).result(30)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    @staticmethod
    async def call(what):
        return await what

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.server.close)
        time.sleep(0.1)
        self.loop.call_soon_threadsafe(self.loop.stop)


class ParamikoSftp(paramiko.SFTPServerInterface):
    def _try(self, f):
        try:
            f()
            return paramiko.SFTP_OK
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def _facts(self, f):
        try:
            return paramiko.SFTPAttributes.from_stat(f())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def stat(self, path):
        return self._facts(lambda: os.stat(path))

    def lstat(self, path):
        return self._facts(lambda: os.lstat(path))

    def list_folder(self, path):
        try:
            return [paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name) for entry in os.scandir(path)]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def open(self, path, flags, attr):
        try:
            descriptor = os.open(path, flags & ~os.O_APPEND, attr.st_mode or 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        handle = paramiko.SFTPHandle(flags)
        file = os.fdopen(descriptor, "r+b" if flags & (os.O_WRONLY | os.O_RDWR) and flags & os.O_RDWR else
                         "wb" if flags & os.O_WRONLY else "rb", buffering=0)
        handle.filename, handle.readfile, handle.writefile = path, file, file
        handle.stat = lambda: self._facts(lambda: os.fstat(file.fileno()))
        handle.chattr = lambda wanted: self._try(lambda: self._change(file.fileno(), wanted))
        return handle

    @staticmethod
    def _change(target, wanted):
        if wanted._flags & wanted.FLAG_SIZE:
            os.truncate(target, wanted.st_size)
        if wanted._flags & wanted.FLAG_PERMISSIONS:
            os.chmod(target, wanted.st_mode & 0o7777)
        if wanted._flags & wanted.FLAG_AMTIME:
            os.utime(target, (wanted.st_atime, wanted.st_mtime))

    def remove(self, path):
        return self._try(lambda: os.remove(path))

    def rename(self, old, new):
        # As version 3 says: what is there is in the way.
        if os.path.lexists(new):
            return paramiko.SFTP_FAILURE
        return self._try(lambda: os.rename(old, new))

    def mkdir(self, path, attr):
        return self._try(lambda: os.mkdir(path, attr.st_mode or 0o755))

    def chattr(self, path, attr):
        return self._try(lambda: self._change(path, attr))

    def readlink(self, path):
        return os.readlink(path)

    def symlink(self, target, path):
        return self._try(lambda: os.symlink(target, path))

    def canonicalize(self, path):
        return os.path.realpath(path)


class ParamikoServer:
    def __init__(self, folder, key):
        self.allowed = (pathlib.Path(str(key) + ".pub")).read_text().split()[1]
        self.transports = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = paramiko.ECDSAKey.generate()
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        allowed = self.allowed

        class Account(paramiko.ServerInterface):
            def get_allowed_auths(self, user):
                return "publickey"

            def check_auth_publickey(self, user, key):
                return paramiko.AUTH_SUCCESSFUL if key.get_base64() == allowed else paramiko.AUTH_FAILED

            def check_channel_request(self, kind, number):
                return paramiko.OPEN_SUCCEEDED

        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, sftp_si=ParamikoSftp)
            self.transports.append(transport)
            try:
                transport.start_server(server=Account(), event=threading.Event())
            except (paramiko.SSHException, EOFError):
                pass

    def __exit__(self, *_):
        self.listener.close()
        for transport in self.transports:
            transport.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    with Sluiced(BUILD, folder / "sluiced") as ours, Sshd(folder / "sshd") as theirs:
        yield {"sluiced": ours, "sshd": theirs}


@pytest.fixture(params=["sluiced", "sshd", "asyncssh", "paramiko"])
def server(request, servers, tmp_path):
    if request.param in servers:
        yield servers[request.param]
        return
    kind = AsyncsshServer if request.param == "asyncssh" else ParamikoServer
    with kind(tmp_path, servers["sshd"].key) as foreign:
        foreign.key = servers["sshd"].key
        foreign.options = servers["sshd"].options
        yield foreign


def command(server, *words, port=None):
    return [SLUICE, "cp", "-F", "none", "-i", str(server.key), "-P", str(port or server.port), "-o", "IdentitiesOnly=yes", "-o",
            "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", *map(str, words)]


def cp(server, *words, code=0, port=None, timeout=TIMEOUT):
    done = subprocess.run(command(server, *words, port=port), capture_output=True, text=True, timeout=timeout)
    if code is not None:
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def there(path):
    return f"{USER}@127.0.0.1:{path}"


def content(size, seed):
    # randbytes() takes no more than a quarter of a gibibyte.
    chance, most = random.Random(seed), 1 << 26
    return b"".join(chance.randbytes(min(most, size - at)) for at in range(0, size, most))


def checksums(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = "link " + os.readlink(path)
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def leftovers(folder):
    return [path.name for path in folder.rglob(".*") if ".part" in path.name]


def make_tree(folder):
    folder.mkdir()
    for name, size in SIZES.items():
        (folder / name).write_bytes(content(size, name))
    inner = folder / "inner" / "most"
    inner.mkdir(parents=True)
    for i in range(150):
        (inner / f"small {i}").write_bytes(content(i * 37, i))
    (folder / "inner" / "ümlaut $x").write_text("x")
    (folder / "empty folder").mkdir()
    (folder / "inner" / "link").symlink_to("most/small 3")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o750)
    os.utime(folder / "large", (1_000_000_000, 1_100_000_000))
    os.utime(inner / "small 5", (1_000_000_000, 1_200_000_000))
    os.utime(folder / "inner", (1_000_000_000, 1_300_000_000))


def test_a_tree_there_and_back_is_the_same(server, tmp_path):
    source, away, back = tmp_path / "source", tmp_path / "away", tmp_path / "back"
    make_tree(source)
    cp(server, "-r", "-p", source, there(away))
    assert checksums(away) == checksums(source)
    assert (away / "run").stat().st_mode & 0o777 == 0o750
    assert (away / "large").stat().st_mtime == 1_100_000_000
    assert (away / "inner/most/small 5").stat().st_mtime == 1_200_000_000
    assert (away / "inner").stat().st_mtime == 1_300_000_000
    cp(server, "-rp", there(away), back)
    assert checksums(back) == checksums(source)
    assert (back / "large").stat().st_mtime == 1_100_000_000
    assert (back / "inner").stat().st_mtime == 1_300_000_000
    assert not leftovers(away) and not leftovers(back)
    # Into a directory that is there, over files that are there.
    (away / "one").write_text("something else")
    cp(server, source / "one", source / "records", there(away))
    assert (away / "one").read_bytes() == (source / "one").read_bytes()
    into = tmp_path / "into"
    into.mkdir()
    cp(server, there(f"{away}/[or]*"), into)
    assert checksums(into) == {name: checksums(source)[name] for name in ("odd", "one", "records", "run")}


@pytest.mark.parametrize("suite", [["-c", "aes128-gcm@openssh.com"], ["-c", "chacha20-poly1305@openssh.com"],
                                   ["-c", "aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"]], ids=["gcm", "chacha", "ctr"])
@pytest.mark.parametrize("name", ["sluiced", "sshd"])
def test_rekeying_while_it_copies_changes_nothing(servers, tmp_path, name, suite):
    source, away, back = (tmp_path / word for word in ("source", "away", "back"))
    source.write_bytes(content(30_000_000, 5))
    cp(servers[name], *suite, "-o", "RekeyLimit=1M", "-n", 1, source, there(away))
    assert away.read_bytes() == source.read_bytes()
    cp(servers[name], *suite, "-o", "RekeyLimit=1M", "-n", 1, there(away), back)
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["sluiced", "sshd"])
def test_several_connections_share_a_file(servers, tmp_path, name):
    source, away, back = (tmp_path / word for word in ("source", "away", "back"))
    source.write_bytes(content(300_000_000, 6))
    cp(servers[name], "-n", 3, "--verify", source, there(away))
    cp(servers[name], "-n", 3, "--verify", there(away), back)
    digest = hashlib.sha256(source.read_bytes()).digest()
    assert hashlib.sha256(away.read_bytes()).digest() == digest == hashlib.sha256(back.read_bytes()).digest()


def test_between_two_servers_and_on_one(servers, tmp_path):
    ours, theirs = servers["sluiced"], servers["sshd"]
    source = tmp_path / "source"
    make_tree(source)
    both = ["-o", f"IdentityFile={theirs.key}"]
    first = f"sftp://{USER}@127.0.0.1:{ours.port}/{source}"
    cp(ours, *both, "-rp", first, f"sftp://{USER}@127.0.0.1:{theirs.port}/{tmp_path / 'relayed'}")
    assert checksums(tmp_path / "relayed") == checksums(source)
    cp(ours, "-rp", there(source), there(tmp_path / "same"))
    assert checksums(tmp_path / "same") == checksums(source)


def test_devices_are_written_and_not_replaced(servers, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(content(5_000_000, 8))
    before = os.stat("/dev/null").st_rdev
    cp(servers["sluiced"], source, there("/dev/null"))
    cp(servers["sluiced"], there(source), "/dev/null")
    assert os.stat("/dev/null").st_rdev == before


def test_a_link_that_was_named_is_written_through(servers, tmp_path):
    (tmp_path / "source").write_text("new")
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    for target in (there(tmp_path / "link"), tmp_path / "link"):
        (tmp_path / "real").write_text("old")
        if isinstance(target, pathlib.Path):
            cp(servers["sshd"], there(tmp_path / "source"), target)
        else:
            cp(servers["sshd"], tmp_path / "source", target)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_exclude_dry_run_update_and_json(servers, tmp_path):
    server, source, away = servers["sluiced"], tmp_path / "source", tmp_path / "away"
    make_tree(source)
    said = cp(server, "-r", "--dry-run", source, there(away)).stderr
    assert "would copy inner/most/small 7" in said and "files, " in said.splitlines()[-1] and not away.exists()
    assert said.splitlines()[-1].endswith(" would be copied") and "100 %" not in said
    cp(server, "-rp", "--exclude", "small*", "--exclude", "inner/ü*", source, there(away))
    expected = {name: value for name, value in checksums(source).items() if "/small" not in name and "ümlaut" not in name}
    assert checksums(away) == expected
    events = [json.loads(line) for line in cp(server, "-rpu", "--json", f"{source}/.", there(away)).stdout.splitlines()]
    assert events[-1]["event"] == "end" and events[-1]["success"]
    assert events[-1]["files_skipped"] == 6 and events[-1]["bytes_done"] == sum(i * 37 for i in range(150)) + 1
    assert checksums(away) == checksums(source)
    done = cp(server, "-q", source / "one", there(tmp_path / "nowhere" / "x"), code=1)
    assert "No such file" in done.stderr and not done.stdout


def test_errors_say_what_it_is(servers, tmp_path):
    server = servers["sluiced"]
    (tmp_path / "file").write_text("x")
    assert "-r copies those" in cp(server, tmp_path, there(tmp_path / "y"), code=1).stderr
    assert "No such file" in cp(server, tmp_path / "missing", there(tmp_path / "y"), code=1).stderr
    assert "No such file" in cp(server, there(tmp_path / "missing"), tmp_path / "y", code=1).stderr
    assert "no directory" in cp(server, tmp_path / "file", tmp_path / "file", there(tmp_path / "file"), code=1).stderr
    for name, size in (("s", 1), ("large", 2_000_000)):
        (tmp_path / name).write_bytes(bytes(size))
        for host in servers.values():
            assert f"{tmp_path}/nowhere/{name}: No such file" in cp(host, tmp_path / name, there(tmp_path / "nowhere" / name), code=1).stderr
    assert "cp(1)" in cp(server, tmp_path / "file", tmp_path / "y", code=1).stderr
    refused = cp(server, tmp_path / "file", there(tmp_path / "y"), code=255, port=1)
    assert "refused" in refused.stderr


@pytest.mark.parametrize("name", ["sluiced", "sshd"])
@pytest.mark.parametrize("direction", ["put", "get"])
def test_a_full_disk_at_either_end_is_named_and_leaves_nothing_under_the_name(servers, tmp_path, name, direction):
    with small_disk(tmp_path / "small disk", 8) as mount:
        source = tmp_path / "source"
        source.write_bytes(content(20_000_000, 9))
        words = [source, there(mount / "copy")] if direction == "put" else [there(source), mount / "copy"]
        said = cp(servers[name], *words, code=1).stderr
        assert "full" in said or "space" in said.lower() or "free here" in said, said
        assert not (mount / "copy").exists()


@pytest.mark.parametrize("size", [5, 700_001, 20_000_003])
@pytest.mark.parametrize("connections", [1, 2])
def test_what_a_server_loses_when_it_closes_a_file_is_copied_anew_and_never_seen(servers, tmp_path, size, connections):
    class Loses(asyncssh.SFTPServer):
        times = 1

        def close(self, file):
            lost = file.writable() and b".journal" not in os.fsencode(file.name) and Loses.times > 0
            if lost:
                Loses.times -= 1
                file.seek(0)
                file.write(bytes(size // 2 + 1))
            super().close(file)
            if lost:
                raise asyncssh.SFTPFailure("Disk quota exceeded")

    source, away = tmp_path / "source", tmp_path / "away"
    away.mkdir()
    source.write_bytes(content(size, 12))
    key = servers["sshd"].key
    with AsyncsshServer(tmp_path, key, Loses) as server:
        server.key = key
        said = cp(server, "-n", connections, source, there(away / "copy"), code=1).stderr
        assert "Disk quota exceeded" in said and Loses.times == 0, said
        assert not list(away.iterdir()), "nothing that a next time could trust"
        cp(server, "-n", connections, source, there(away / "copy"))
    assert checksums(away) == {"copy": hashlib.sha256(source.read_bytes()).hexdigest()}


def test_a_file_that_changes_meanwhile_is_reported_and_not_put_in_place(servers, tmp_path):
    for direction in ("put", "get"):
        source, copy = tmp_path / "source", tmp_path / f"copy-{direction}"
        source.write_bytes(content(12_000_000, 10))
        words = [source, there(copy)] if direction == "put" else [there(source), copy]
        process = subprocess.Popen(command(servers["sluiced"], "--bwlimit", "8M", *words), stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(f".copy-{direction}.*.part")) and time.monotonic() < deadline:
            time.sleep(0.02)
        with open(source, "r+b") as file:
            file.write(b"changed!")
        # SFTP tells whole seconds.
        os.utime(source, (1, 1))
        _, said = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 1 and "changed" in said, said
        assert not copy.exists()


def test_a_signal_shows_how_far_it_is(servers, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(content(6_000_000, 11))
    process = subprocess.Popen(command(servers["sluiced"], "--bwlimit", "3M", source, there(tmp_path / "copy")),
                               stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".copy.*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0 and "source" in said.splitlines()[0] and "%" in said.splitlines()[0], said
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


SEEDS = [int(os.environ["SLUICE_CUT_SEED"])] if "SLUICE_CUT_SEED" in os.environ else range(200 if FULL else 20)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_cut_goes_on_and_is_never_wrong_under_its_name(servers, tmp_path, seed):
    chance = random.Random(seed)
    server = servers[chance.choice(["sluiced", "sshd"])]
    direction = chance.choice(["put", "get"])
    size = chance.randrange(2_000_000, 24_000_000)
    # Slow enough for a journal to be written, or too fast for one.
    pace = ["--bwlimit", "8M"] if chance.random() < 0.3 else []
    wide = ["-n", chance.choice([1, 1, 2])]
    source, folder = tmp_path / "source", tmp_path / "target"
    folder.mkdir()
    copy = folder / "copy"
    data = content(size, seed)
    source.write_bytes(data)
    old = None
    if chance.random() < 0.5:
        old = b"what was there before"
        copy.write_bytes(old)
    words = [*pace, *wide, source, there(copy)] if direction == "put" else [*pace, *wide, there(source), copy]
    with CutRelay(server.port, [chance.randrange(1, int(size * 1.1)) for _ in range(chance.choice([1, 2, 3]) * wide[1])]) as relay:
        for attempt in range(8):
            done = cp(server, *words, port=relay.port, code=None)
            if done.returncode == 0:
                break
            assert "again" in done.stderr or done.returncode == 255, done.stderr
            now = copy.read_bytes() if copy.exists() else None
            assert now == old or now == data, f"seed {seed}: a wrong file under the final name"
        assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert copy.read_bytes() == data, f"seed {seed}"
    assert not leftovers(folder), f"seed {seed}"


def test_a_journal_is_used_and_a_false_one_is_not(servers, tmp_path):
    source, folder = tmp_path / "source", tmp_path / "target"
    folder.mkdir()
    size = 20_000_000
    source.write_bytes(content(size, 77))
    server = servers["sshd"]
    words = ["--bwlimit", "6M", "--json", source, there(folder / "copy")]
    with CutRelay(server.port, [17_000_000]) as relay:
        cp(server, *words, port=relay.port, code=1)
    journals = list(folder.glob(".copy.*.journal"))
    assert len(journals) == 1
    torn = journals[0].read_bytes()
    events = [json.loads(line) for line in cp(server, *words[2:]).stdout.splitlines()]
    assert 6_000_000 < events[-1]["bytes_resumed"] < size, events[-1]
    assert (folder / "copy").read_bytes() == source.read_bytes()
    # A temporary file of zeros with half a journal: nothing of it may be believed.
    temporary = folder / journals[0].name.removesuffix(".journal")
    temporary.write_bytes(bytes(size))
    journals[0].write_bytes(torn[:-9])
    (folder / "copy").unlink()
    events = [json.loads(line) for line in cp(server, *words[2:]).stdout.splitlines()]
    assert events[-1]["bytes_resumed"] == 0
    assert (folder / "copy").read_bytes() == source.read_bytes()


def test_a_prefix_that_both_ends_have_is_trusted_without_a_journal_and_nothing_behind_it(servers, tmp_path):
    source, folder = tmp_path / "source", tmp_path / "target"
    folder.mkdir()
    data = content(9_000_000, 78)
    source.write_bytes(data)
    server = servers["sluiced"]
    with CutRelay(server.port, [8_000_000]) as relay:
        cp(server, source, there(folder / "copy"), port=relay.port, code=1)
    temporary = list(folder.glob(".copy.*.part"))[0]
    for journal in folder.glob("*.journal"):
        journal.unlink()
    temporary.write_bytes(data[:5_000_000] + b"wrong" + data[5_000_005:7_000_000])
    events = [json.loads(line) for line in cp(server, "--json", source, there(folder / "copy")).stdout.splitlines()]
    assert 4_000_000 <= events[-1]["bytes_resumed"] <= 5_000_000
    assert (folder / "copy").read_bytes() == data
