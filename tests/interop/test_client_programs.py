"""sluice sftp and scp over programs of others, as OpenSSH's -S and -D have it: stock ssh behind a wrapper, stock sftp-server."""
import hashlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.interop.test_client_cp import checksums, content  # noqa: E402
from tests.interop.test_client_sftp import HOST, SLUICE, make_tree, run  # noqa: E402
from tests.support.ssh_servers import Sshd  # noqa: E402

SERVER = next((path for path in map(pathlib.Path, ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                                                   "/usr/lib/ssh/sftp-server")) if path.exists()), None)
needs_server = pytest.mark.skipif(SERVER is None, reason="there is no stock sftp-server (Debian: openssh-sftp-server)")
DATA = content(9_000_017, "programs")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as started:
        yield started


@pytest.fixture
def wrapper(tmp_path):
    """Stock ssh behind a script that notes how it was called."""
    script = tmp_path / "wrapper"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/words\nexec ssh "$@"\n')
    script.chmod(0o755)
    return script


def words_of(wrapper):
    return (wrapper.parent / "words").read_text().splitlines()


def same(path):
    return hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(DATA).digest()


@needs_server
def test_sftp_speaks_to_a_server_s_program_directly(tmp_path):
    (tmp_path / "source").write_bytes(DATA)
    make_tree(tmp_path / "tree")
    done = run([SLUICE, "sftp", "-b", "-", "-D", f"{SERVER} -d {tmp_path}"], 0, input=(
        "put source there\nget there back\nput -r tree copied\nget -r copied fetched\nls\n"), cwd=tmp_path)
    assert "there" in done.stdout
    assert same(tmp_path / "there") and same(tmp_path / "back")
    assert checksums(tmp_path / "fetched") == checksums(tmp_path / "tree")


@needs_server
def test_a_read_only_server_s_refusal_is_told(tmp_path):
    (tmp_path / "source").write_bytes(DATA[:1000])
    done = run([SLUICE, "sftp", "-b", "-", "-D", f"{SERVER} -R"], 1, input=f"put {tmp_path}/source {tmp_path}/there\n")
    assert "denied" in done.stderr.lower() and not (tmp_path / "there").exists()


@needs_server
def test_scp_speaks_to_a_server_s_program_whatever_host_is_named(tmp_path):
    (tmp_path / "source").write_bytes(DATA)
    run([SLUICE, "scp", "-D", SERVER, tmp_path / "source", f"nowhere.invalid:{tmp_path}/there"], 0)
    run([SLUICE, "scp", "-D", SERVER, f"nowhere.invalid:{tmp_path}/there", tmp_path / "back"], 0)
    assert same(tmp_path / "there") and same(tmp_path / "back")
    run([SLUICE, "scp", "-D", SERVER, f"one.invalid:{tmp_path}/there", f"two.invalid:{tmp_path}/other"], 0)
    assert same(tmp_path / "other")


def test_sftp_goes_through_a_program_that_speaks_ssh(server, wrapper, tmp_path):
    (tmp_path / "source").write_bytes(DATA)
    run([SLUICE, "sftp", "-b", "-", *server.options(), "-P", server.port, "-S", wrapper, HOST], 0,
        input=f"put {tmp_path}/source {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n")
    assert same(tmp_path / "there") and same(tmp_path / "back")
    words = words_of(wrapper)
    assert words[-4:-2] == ["-s", "--"] and words[-1] == "sftp" and f"-oPort {server.port}" in words


@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["sftp", "legacy"])
def test_scp_goes_through_a_program_that_speaks_ssh(server, wrapper, tmp_path, flags):
    (tmp_path / "source").write_bytes(DATA)
    words = [SLUICE, "scp", *flags, *server.options(), "-P", server.port, "-S", wrapper]
    run([*words, tmp_path / "source", f"{HOST}:{tmp_path}/there"], 0)
    run([*words, f"{HOST}:{tmp_path}/there", tmp_path / "back"], 0)
    assert same(tmp_path / "there") and same(tmp_path / "back")
    if flags:
        assert words_of(wrapper)[-1] == f"scp -f {tmp_path}/there"
        assert run([*words, f"{HOST}:{tmp_path}/missing", tmp_path / "no"], 1).stderr


@pytest.mark.parametrize("flags", [["-S", "/nowhere/ssh", "host.invalid"], ["-D", "/nowhere/server"], ["-D", "/bin/false"],
                                   ["-S", "/bin/false", "host.invalid"]])
def test_a_program_that_does_not_start_or_ends_at_once_is_no_connection(tmp_path, flags):
    done = run([SLUICE, "sftp", "-b", "-", *flags], 255, input="ls\n")
    assert done.stderr


@needs_server
def test_a_program_that_is_killed_in_a_transfer_leaves_no_doubt(tmp_path):
    """What it writes stops in the middle of an answer."""
    (tmp_path / "source").write_bytes(DATA)
    script = tmp_path / "cut"
    script.write_text(f"""#!{sys.executable}
import os, subprocess
server = subprocess.Popen(["{SERVER}"], stdout=subprocess.PIPE)
left = 3_000_000
while left > 0:
    piece = os.read(server.stdout.fileno(), min(left, 65536))
    os.write(1, piece)
    left -= len(piece)
server.kill()
""")
    script.chmod(0o755)
    done = run([SLUICE, "sftp", "-b", "-", "-D", script], 255, input=f"get {tmp_path}/source {tmp_path}/back\n")
    assert done.stderr and not ((tmp_path / "back").exists() and same(tmp_path / "back"))


def test_an_empty_command_is_refused(tmp_path):
    assert "-D wants" in run([SLUICE, "sftp", "-D", ""], None).stderr + run([SLUICE, "sftp", "-D", "  "], None).stderr
