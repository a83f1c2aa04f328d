"""Stock SFTP clients against sluiced: what they put and get has the same checksums, through every main suite and rekeying."""
import asyncio
import contextlib
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

import asyncssh
import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from ssh_servers import USER, Sluiced, make_key  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
TIMEOUT = 180
# OpenSSH's client counts the bytes of the packet that it is about to send as cipher blocks: with 64 KiB packets this is a
# rekeying every MiB, and 1M would be one for each packet.
SUITES = [["-c", "aes128-gcm@openssh.com"], ["-c", "chacha20-poly1305@openssh.com"],
          ["-c", "aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"], ["-c", "aes256-gcm@openssh.com", "-o", "RekeyLimit=2M"]]
NAMES = ["gcm", "chacha", "ctr-etm", "rekey"]
SIZES = {"empty": 0, "one": 1, "odd": 32769, "records": 700_001, "large": 20_000_003}


@contextlib.contextmanager
def serving(folder, *lines):
    with Sluiced(BUILD, folder, *lines) as server:
        yield server.port


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sftp")
    key = make_key(folder / "user")
    files = folder / "files"
    files.mkdir()
    for name, size in SIZES.items():
        (files / name).write_bytes(os.urandom(size))
    (files / b"not\xfftext".decode(errors="surrogateescape")).write_bytes(b"bytes")
    with serving(folder) as port:
        yield {"folder": folder, "files": files, "port": port, "key": key}


def options(world):
    return ["-F", "none", "-i", world["key"], "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]


def sums(folder):
    return {os.fsencode(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


def sftp(world, commands, extra=()):
    return subprocess.run(["sftp", "-b", "-", *options(world), *extra, "-P", str(world["port"]), f"{USER}@127.0.0.1"],
                          input=commands.encode(errors="surrogateescape"), capture_output=True, timeout=TIMEOUT)


# The memory file system and whatever the disk is: one is written in the worker, the other by the pool.
@pytest.fixture(params=["/dev/shm", "/tmp"])
def remote(request):
    path = pathlib.Path(tempfile.mkdtemp(prefix="sluice-sftp-", dir=request.param))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("suite", SUITES, ids=NAMES)
def test_openssh_sftp_puts_and_gets_a_tree(world, remote, tmp_path, suite):
    done = sftp(world, f"put -rp {world['files']} {remote}/tree\nget -rp {remote}/tree {tmp_path}/back\n", suite)
    assert done.returncode == 0, done.stderr
    assert sums(remote / "tree") == sums(world["files"])
    assert sums(tmp_path / "back") == sums(world["files"])


def test_openssh_sftp_resumes_renames_links_and_lists(world, remote):
    large = world["files"] / "large"
    (remote / "large").write_bytes(large.read_bytes()[:5_000_001])
    done = sftp(world, f"""reput {large} {remote}/large
mkdir {remote}/d
rename {remote}/large {remote}/d/moved
ln -s d/moved {remote}/soft
ln {remote}/d/moved {remote}/hard
cp {remote}/hard {remote}/copied
chmod 640 {remote}/copied
ls -l {remote}
df {remote}
rm {remote}/hard
""")
    assert done.returncode == 0, done.stderr
    assert sums(remote)[b"d/moved"] == sums(world["files"])[b"large"]
    assert sums(remote)[b"copied"] == sums(world["files"])[b"large"]
    assert os.readlink(remote / "soft") == "d/moved"
    assert stat.S_IMODE((remote / "copied").stat().st_mode) == 0o640
    assert not (remote / "hard").exists()
    assert b"-rw-r-----" in done.stdout and f"{remote}/copied".encode() in done.stdout
    assert sftp(world, f"get {remote}/nothing /dev/null\n").returncode != 0


@pytest.mark.parametrize("suite", SUITES, ids=NAMES)
def test_openssh_scp_over_sftp(world, remote, tmp_path, suite):
    base = ["scp", "-s", "-r", *options(world), *suite, "-P", str(world["port"])]
    subprocess.run([*base, world["files"], f"{USER}@127.0.0.1:{remote}/tree"], check=True, timeout=TIMEOUT)
    subprocess.run([*base, f"{USER}@127.0.0.1:{remote}/tree", tmp_path / "back"], check=True, timeout=TIMEOUT)
    assert sums(remote / "tree") == sums(tmp_path / "back") == sums(world["files"])


def test_psftp(world, remote, tmp_path):
    subprocess.run(["puttygen", world["key"], "-O", "private", "-o", tmp_path / "key.ppk"], check=True, timeout=TIMEOUT)
    host_keys = subprocess.run(["ssh-keyscan", "-p", str(world["port"]), "127.0.0.1"], capture_output=True, timeout=TIMEOUT).stdout
    (tmp_path / "hosts").write_bytes(host_keys)
    listed = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "hosts"], capture_output=True, text=True, check=True).stdout
    fingerprints = [word for line in listed.splitlines() for word in ("-hostkey", line.split()[1])]
    assert fingerprints
    batch = tmp_path / "batch"
    batch.write_text("".join(f"put {world['files']}/{name} {remote}/{name}\nget {remote}/{name} {tmp_path}/{name}\n" for name in SIZES)
                     + f"ls {remote}\n")
    done = subprocess.run(["psftp", "-batch", *fingerprints, "-i", tmp_path / "key.ppk", "-P", str(world["port"]), "-b", batch,
                           f"{USER}@127.0.0.1"], capture_output=True, timeout=TIMEOUT, env=dict(os.environ, HOME=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    for name in SIZES:
        expected = (world["files"] / name).read_bytes()
        assert (remote / name).read_bytes() == expected
        assert (tmp_path / name).read_bytes() == expected


@contextlib.contextmanager
def paramiko_client(world, port=None):
    transport = paramiko.Transport(("127.0.0.1", port or world["port"]))
    transport.packetizer.REKEY_BYTES = 1 << 20
    try:
        transport.connect(username=USER, pkey=paramiko.Ed25519Key.from_private_key_file(str(world["key"])))
        yield paramiko.SFTPClient.from_transport(transport)
    finally:
        transport.close()


def test_paramiko_with_prefetch_sparse_files_and_checksums(world, remote, tmp_path):
    large = world["files"] / "large"
    with paramiko_client(world) as client:
        client.put(str(large), f"{remote}/large")
        client.get(f"{remote}/large", str(tmp_path / "large"))
        assert (tmp_path / "large").read_bytes() == large.read_bytes()
        with client.open(f"{remote}/large", "rb") as file:
            assert file.check("sha256") == hashlib.sha256(large.read_bytes()).digest()
            pieces = list(file.readv([(5, 70000), (19_999_990, 13), (0, 1)]))
            assert pieces == [large.read_bytes()[5:70005], large.read_bytes()[-13:], large.read_bytes()[:1]]
        # Beyond 4 GiB.
        with client.open(f"{remote}/sparse", "wb") as file:
            file.seek(5 << 30)
            file.write(b"end")
        assert client.stat(f"{remote}/sparse").st_size == (5 << 30) + 3
        assert (remote / "sparse").stat().st_blocks < 100_000
        with client.open(f"{remote}/sparse", "rb") as file:
            file.seek((5 << 30) - 2)
            assert file.read(100) == b"\0\0end"
        client.posix_rename(f"{remote}/large", f"{remote}/sparse")
        os.symlink("loop", remote / "loop")
        with pytest.raises(OSError):
            client.open(f"{remote}/loop")
        assert client.normalize(f"{remote}/..") == str(remote.parent)


def test_asyncssh_with_many_files_at_once(world, remote):
    # Its own rekeying is left at a GiB: it goes on sending data behind its KEXINIT, against RFC 4253 section 7.1.
    contents = {f"f{i}": os.urandom(10_000 + 977 * i) for i in range(50)}

    async def run():
        async with asyncssh.connect("127.0.0.1", world["port"], username=USER, client_keys=[str(world["key"])], known_hosts=None,
                                    config=None) as connection:
            async with connection.start_sftp_client() as client:
                async def through(name, content):
                    async with client.open(f"{remote}/{name}", "wb") as file:
                        await file.write(content)
                    async with client.open(f"{remote}/{name}", "rb") as file:
                        return await file.read()

                back = await asyncio.gather(*(through(*item) for item in contents.items()))
                assert back == list(contents.values())
                assert {name for name in await client.listdir(str(remote)) if not name.startswith(".")} == set(contents)
                assert (await client.statvfs(str(remote))).bsize > 0

    asyncio.run(asyncio.wait_for(run(), TIMEOUT))


def test_curl_by_libssh2(world, remote, tmp_path):
    base = ["curl", "-sS", "-k", "--key", world["key"], "--pubkey", f"{world['key']}.pub", "-u", f"{USER}:"]
    url = f"sftp://127.0.0.1:{world['port']}{remote}"
    subprocess.run([*base, "-T", world["files"] / "large", f"{url}/large"], check=True, timeout=TIMEOUT)
    subprocess.run([*base, "-o", tmp_path / "large", f"{url}/large"], check=True, timeout=TIMEOUT)
    assert (tmp_path / "large").read_bytes() == (remote / "large").read_bytes() == (world["files"] / "large").read_bytes()


def test_a_large_directory_is_listed_whole(world, remote):
    for i in range(5000):
        (remote / f"{i:05}{'n' * 60}").touch()
    done = sftp(world, f"ls -1 {remote}\n")
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.endswith(b"n") and not line.startswith(b"sftp>")]) == 5000


def test_read_only_mode_and_the_transfer_log(world, tmp_path):
    for suffix in ("", ".pub"):
        shutil.copy(f"{world['key']}{suffix}", tmp_path / f"user{suffix}")
    (tmp_path / "f\n1").write_text("there")
    with serving(tmp_path, "sftp server read-only", "sftp server transfer-log") as port, paramiko_client(world, port) as client:
        with client.open(f"{tmp_path}/f\n1", "rb") as file:
            assert file.read() == b"there"
        for change in (lambda: client.open(f"{tmp_path}/new", "wb"), lambda: client.remove(f"{tmp_path}/f\n1"),
                       lambda: client.mkdir(f"{tmp_path}/d"), lambda: client.rename(f"{tmp_path}/f\n1", f"{tmp_path}/g")):
            with pytest.raises(PermissionError):
                change()
    log = (tmp_path / "log").read_text()
    assert f'sftp: user "{USER}" from 127.0.0.1' in log
    assert f'get "{tmp_path}/f\\x0a1" read 5 written 0' in log
    for refused in (f'open "{tmp_path}/new"', f'remove "{tmp_path}/f\\x0a1"', f'mkdir "{tmp_path}/d"',
                    f'rename "{tmp_path}/f\\x0a1" "{tmp_path}/g"'):
        assert f"refused {refused}: Read-only" in log
