"""A tree of files put and got by every stock client that people use, suite by suite, with new keys every MiB.

The server has one suite and rekeys after each MiB, so that nothing depends on what a client can be told. What arrives and
what comes back is compared by checksum. OpenSSH's own sftp and scp have files of their own (test_sftp.py, test_scp.py).
"""
import asyncio
import contextlib
import hashlib
import os
import re
import shlex
import shutil

import foreign_servers
import pytest
from shell_world import BUILD, TIMEOUT, USER, dbclient, host_key_print, putty, run, ssh
from ssh_servers import Sluiced

SUITES = {
    "gcm": ("aes128-gcm@openssh.com", "hmac-sha2-256"),
    "chacha": ("chacha20-poly1305@openssh.com", "hmac-sha2-256"),
    "etm": ("aes256-ctr", "hmac-sha2-512-etm@openssh.com"),
    "etm-256": ("aes256-ctr", "hmac-sha2-256-etm@openssh.com"),
    "ctr": ("aes128-ctr", "hmac-sha2-256"),
    "ctr-512": ("aes256-ctr", "hmac-sha2-512"),
}
ALL = ["gcm", "chacha", "etm"]
HOST = f"{USER}@127.0.0.1"
SIZES = {"empty": 0, "one": 1, "a name of words": 32_769, "records": 700_001, "large": 5_000_003, "inner/deep": 100_000,
         "inner/large": 1_500_000}
# OpenSSH's client says at this level when keys changed.
NEW_KEYS = "SSH2_MSG_NEWKEYS received"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """By the name of a suite; started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        running = {}

        def serve(suite):
            if suite not in running:
                cipher, mac = SUITES[suite]
                server = stack.enter_context(Sluiced(BUILD, tmp_path_factory.mktemp(suite), f"ssh server algorithms cipher {cipher}",
                                                     f"ssh server algorithms mac {mac}", "ssh server rekey-kilobytes 1024"))
                server.host_key = host_key_print(server)
                running[suite] = server
            return running[suite]

        yield serve


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "tree"
    for name, size in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(size))
    return folder


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def sums(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def succeed(command, data=None, **more):
    done = run(command, data, **more)
    assert done.returncode == 0, (done.stdout[-1000:], done.stderr[-2000:])
    return done


class WatchedShell:
    """OpenSSH's client as the transport of another program, with a log that tells how often keys changed."""

    def __init__(self, server, tmp_path):
        self.log = tmp_path / "ssh.log"
        words = [str(word) for word in ssh(server)[:-1]]
        # Of an option that comes twice ssh takes the first.
        self.words = [words[0], "-o", "LogLevel=DEBUG1", "-E", str(self.log), *words[1:]]

    def __str__(self):
        return shlex.join(self.words)

    def new_keys(self):
        return self.log.read_text(errors="replace").count(NEW_KEYS)


def suites(*names):
    return pytest.mark.parametrize("suite", names)


@suites("gcm", "chacha", "etm-256")
def test_psftp(servers, tree, there, tmp_path, suite):
    server = servers(suite)
    batch = tmp_path / "batch"
    batch.write_text(f'put -r "{tree}" "{there}/tree"\nget -r "{there}/tree" "{tmp_path}/back"\n')
    succeed([*putty("psftp", server, "-b", batch), HOST])
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back")


@pytest.mark.parametrize("protocol", ["-scp", "-sftp"])
@suites("gcm", "chacha", "etm-256")
def test_pscp(servers, tree, there, tmp_path, suite, protocol):
    copy = [*putty("pscp", servers(suite)), protocol, "-q", "-r"]
    # Into a folder that is there: over SFTP it takes a name that is not for a file's.
    (tmp_path / "back").mkdir()
    succeed([*copy, tree, f"{HOST}:{there}"])
    succeed([*copy, f"{HOST}:{there}/tree", tmp_path / "back"])
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back" / "tree")


@suites("gcm", "chacha", "etm-256")
def test_plink(servers, tree, suite):
    data = (tree / "large").read_bytes()
    done = succeed([*putty("plink", servers(suite), "-ssh"), HOST, "cat"], data)
    assert done.stdout == data


@suites(*ALL)
def test_openssh_runs_a_filter(servers, tree, tmp_path, suite):
    shell = WatchedShell(servers(suite), tmp_path)
    data = (tree / "large").read_bytes()
    assert succeed([*shell.words, HOST, "cat"], data).stdout == data
    # At login, then for each MiB: at half of them at least, since data flows on while keys are agreed.
    assert shell.new_keys() >= 1 + 2


@suites("chacha", "ctr")
def test_dbclient_with_scp(servers, tree, there, tmp_path, suite):
    # scp calls: PROGRAM -x -oOption... -l USER HOST COMMAND. dbclient knows none of those options.
    program = tmp_path / "dbclient"
    words = shlex.join(str(word) for word in dbclient(servers(suite)))
    program.write_text(f'#!/bin/bash\nfor word; do last=$word; done\nexec {words} "$last"\n')
    program.chmod(0o755)
    copy = ["scp", "-O", "-q", "-r", "-S", program]
    succeed([*copy, tree, f"{HOST}:{there}/tree"])
    succeed([*copy, f"{HOST}:{there}/tree", tmp_path / "back"])
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back")


@suites("etm", "ctr")
def test_paramiko(servers, tree, there, tmp_path, suite):
    import paramiko
    server = servers(suite)
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.connect(username=USER, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
        client = paramiko.SFTPClient.from_transport(transport)
        for name in SIZES:
            with contextlib.suppress(OSError):
                client.mkdir(str((there / name).parent))
            client.put(str(tree / name), str(there / name))
            (tmp_path / "back" / name).parent.mkdir(parents=True, exist_ok=True)
            client.get(str(there / name), str(tmp_path / "back" / name))
    finally:
        transport.close()
    assert sums(there) == sums(tree) == sums(tmp_path / "back")


@suites(*ALL)
def test_asyncssh(servers, tree, there, tmp_path, suite):
    import asyncssh
    server = servers(suite)
    foreign_servers.keep_data_back_during_key_exchange(asyncssh.connection.SSHConnection)

    async def copy():
        async with asyncssh.connect("127.0.0.1", server.port, username=USER, client_keys=[str(server.key)], known_hosts=None,
                                    agent_path=None, config=None) as connection:
            async with connection.start_sftp_client() as client:
                await client.put(str(tree), f"{there}/tree", recurse=True)
                await client.get(f"{there}/tree", str(tmp_path / "back"), recurse=True)

    asyncio.run(asyncio.wait_for(copy(), TIMEOUT))
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back")


@suites(*ALL)
def test_libssh(servers, tree, there, tmp_path, suite):
    server = servers(suite)
    (tmp_path / "back" / "inner").mkdir(parents=True)
    commands = [f"mkdir\t{there}/inner"]
    commands += [f"put\t{tree}/{name}\t{there}/{name}" for name in SIZES]
    commands += [f"get\t{there}/{name}\t{tmp_path}/back/{name}" for name in SIZES]
    commands += [f"ls\t{there}/inner"]
    done = succeed([BUILD / "tests/interop/libssh_sftp", server.port, USER, server.key], "\n".join(commands).encode())
    assert sums(there) == sums(tree) == sums(tmp_path / "back")
    assert done.stdout.decode() == "".join(f"{name}\t{SIZES['inner/' + name]}\n" for name in ("deep", "large"))


@suites(*ALL)
def test_rsync(servers, tree, there, tmp_path, suite):
    shell = WatchedShell(servers(suite), tmp_path)
    succeed(["rsync", "-a", "--checksum", "-e", shell, f"{tree}/", f"{HOST}:{there}/tree/"])
    succeed(["rsync", "-a", "--checksum", "-e", shell, f"{HOST}:{there}/tree/", f"{tmp_path}/back/"])
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back")
    # Two logins.
    assert shell.new_keys() >= 2 + 4


@suites(*ALL)
def test_git_clones(servers, tree, there, tmp_path, suite):
    shell = WatchedShell(servers(suite), tmp_path)
    environment = dict(os.environ, GIT_SSH_COMMAND=str(shell), GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
                       GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
    shutil.copytree(tree, there / "origin")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "one"]):
        succeed(["git", *words], cwd=there / "origin", env=environment)
    succeed(["git", "-c", "safe.directory=*", "clone", "-q", f"ssh://{HOST}{there}/origin", tmp_path / "back"], env=environment)
    shutil.rmtree(tmp_path / "back" / ".git")
    assert sums(tmp_path / "back") == sums(tree)
    assert shell.new_keys() >= 1 + 2


@suites(*ALL)
def test_lftp_mirrors(servers, tree, there, tmp_path, suite):
    server = servers(suite)
    # It adds "-l USER HOST -p PORT -s sftp" itself and speaks through a pipe.
    shell = WatchedShell(server, tmp_path)
    script = (f'set sftp:connect-program "{shell} -a -x"; set net:max-retries 1; set cmd:fail-exit yes; '
              f'open -u {USER}, -p {server.port} sftp://127.0.0.1; mirror -R "{tree}" "{there}/tree"; mirror "{there}/tree" "{tmp_path}/back"')
    succeed(["lftp", "--norc", "-c", script], env=dict(os.environ, HOME=str(tmp_path)))
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back")
    assert shell.new_keys() >= 1 + 4


@suites("gcm", "chacha", "etm-256")
def test_rclone_copies_and_checks(servers, tree, there, tmp_path, suite):
    server = servers(suite)
    remote = f":sftp,host=127.0.0.1,port={server.port},user={USER},key_file={server.key}:{there}/tree"
    call = ["rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]
    succeed([*call, "copy", tree, remote])
    # By the sums that the far side's own programs make.
    succeed([*call, "check", tree, remote])
    succeed([*call, "copy", remote, tmp_path / "back"])
    assert sums(there / "tree") == sums(tree) == sums(tmp_path / "back")


# libssh2 1.10 has neither AEADs nor encrypt-then-MAC.
@suites("ctr", "ctr-512")
def test_curl(servers, tree, there, tmp_path, suite):
    server = servers(suite)
    call = ["curl", "-sS", "-k", "--key", server.key, "--pubkey", f"{server.key}.pub", "-u", f"{USER}:"]
    url = f"sftp://127.0.0.1:{server.port}{there}"
    for name in ("empty", "one", "records", "large"):
        succeed([*call, "-T", tree / name, f"{url}/{name}"])
        succeed([*call, "-o", tmp_path / name, f"{url}/{name}"])
        assert (there / name).read_bytes() == (tree / name).read_bytes() == (tmp_path / name).read_bytes()


@contextlib.contextmanager
def mounted(server, folder, where, tmp_path):
    """By sshfs; skips where nothing can be mounted."""
    shell = WatchedShell(server, tmp_path)
    where.mkdir()
    done = run(["sshfs", "-o", f"ssh_command={shell}", f"{HOST}:{folder}", where])
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        # Of the kernel or of its helper, as in "fuse: device not found" or "fusermount3: mount failed".
        if re.search(r"^fuse(rmount3)?: ", reason, re.MULTILINE):
            pytest.skip(f"nothing can be mounted here: {reason}")
        pytest.fail(reason)
    try:
        yield shell
    finally:
        succeed(["fusermount3", "-u", where])


@suites(*ALL)
def test_sshfs_is_a_file_system(servers, tree, there, tmp_path, suite):
    where = tmp_path / "mount"
    with mounted(servers(suite), there, where, tmp_path) as shell:
        shutil.copytree(tree, where / "tree")
        assert sums(where / "tree") == sums(tree)
        (where / "tree" / "one").rename(where / "tree" / "two")
        with open(where / "tree" / "large", "r+b") as file:
            file.seek(1_000_000)
            file.write(b"in the middle")
            os.fsync(file.fileno())
        (where / "link").symlink_to("tree/two")
        assert (where / "link").read_bytes() == (tree / "one").read_bytes()
        (where / "tree" / "empty").unlink()
        assert os.statvfs(where).f_blocks > 0
    expected = bytearray((tree / "large").read_bytes())
    expected[1_000_000:1_000_013] = b"in the middle"
    assert (there / "tree" / "large").read_bytes() == expected
    assert not (there / "tree" / "empty").exists() and os.readlink(there / "link") == "tree/two"
    assert shell.new_keys() >= 1 + 4
