"""sluice scp against sluiced and stock servers, by SFTP and by the old protocol: checksums, trees, patterns, two hosts."""
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.interop.foreign_servers import Keys, dropbear  # noqa: E402
from tests.interop.test_client_cp import (AsyncsshServer, ParamikoServer, SIZES, checksums, content)  # noqa: E402
from tests.interop.test_client_sftp import SLUICE, BUILD, HOST, make_tree, run  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd  # noqa: E402


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    with Sluiced(BUILD, folder / "sluiced") as ours, Sshd(folder / "sshd") as theirs:
        yield {"sluiced": ours, "sshd": theirs}


class Dropbear:
    """Our own program would not be found by its shell: scp there is OpenSSH's."""

    def __init__(self, folder):
        self.keys = Keys(folder)
        self.server = dropbear(self.keys, folder)
        self.key = self.keys.user["ssh-ed25519"]

    def __enter__(self):
        self.server.__enter__()
        self.port = self.server.port
        return self

    def __exit__(self, *_):
        self.server.__exit__()


@pytest.fixture(params=["sluiced", "sshd", "asyncssh", "paramiko", "sluiced -O", "sshd -O", "dropbear -O"])
def ends(request, servers, tmp_path_factory):
    """A server, the flags that choose the protocol, and the name of the host."""
    name, *flags = request.param.split()
    if name in servers:
        yield servers[name], flags, HOST
        return
    if name == "dropbear":
        with Dropbear(tmp_path_factory.mktemp("dropbear")) as server:
            server.options = lambda: [*servers["sshd"].options()[:2], "-i", str(server.key), *servers["sshd"].options()[4:]]
            yield server, flags, "ann@127.0.0.1"
        return
    kind = AsyncsshServer if name == "asyncssh" else ParamikoServer
    with kind(tmp_path_factory.mktemp(name), servers["sshd"].key) as foreign:
        foreign.key, foreign.options = servers["sshd"].key, servers["sshd"].options
        yield foreign, flags, HOST


def scp(ends, *words, code=0, **more):
    server, flags, _ = ends
    done = run([SLUICE, "scp", *server.options(), "-P", server.port, *flags, *words], None, **more)
    if code is not None and done.returncode != code:
        log = pathlib.Path(server.server.log).read_text(errors="replace") if isinstance(server, Dropbear) else ""
        pytest.fail(f"{done.returncode}: {done.stdout}{done.stderr}{log}")
    return done


@pytest.mark.parametrize("size", SIZES)
def test_a_file_there_and_back_is_the_same(ends, size, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(content(SIZES[size], size))
    source.chmod(0o640)
    os.utime(source, (1_000_000_000, 1_100_000_000))
    scp(ends, "-p", source, f"{ends[2]}:{tmp_path}/away")
    scp(ends, "-p", f"{ends[2]}:{tmp_path}/away", tmp_path / "back")
    for copy in ("away", "back"):
        assert (tmp_path / copy).read_bytes() == source.read_bytes()
        assert (tmp_path / copy).stat().st_mtime == 1_100_000_000
        assert (tmp_path / copy).stat().st_mode & 0o777 == 0o640


def test_a_tree_there_and_back_is_the_same(ends, tmp_path):
    make_tree(tmp_path / "tree")
    scp(ends, "-r", tmp_path / "tree", f"{ends[2]}:{tmp_path}/away")
    scp(ends, "-r", f"{ends[2]}:{tmp_path}/away", tmp_path / "back")
    assert checksums(tmp_path / "away") == checksums(tmp_path / "tree")
    assert checksums(tmp_path / "back") == checksums(tmp_path / "tree")
    # Into what is there.
    (tmp_path / "into").mkdir()
    scp(ends, "-r", f"{ends[2]}:{tmp_path}/away", tmp_path / "into")
    assert checksums(tmp_path / "into" / "away") == checksums(tmp_path / "tree")


def test_patterns_and_several_files_go_into_a_folder(ends, tmp_path):
    for folder in ("here", "there", "back"):
        (tmp_path / folder).mkdir()
    for name in ("a.c", "b.c", "c.h"):
        (tmp_path / "here" / name).write_text(name)
    scp(ends, tmp_path / "here" / "a.c", tmp_path / "here" / "b.c", tmp_path / "here" / "c.h", f"{ends[2]}:{tmp_path}/there")
    assert sorted(os.listdir(tmp_path / "there")) == ["a.c", "b.c", "c.h"]
    scp(ends, f"{ends[2]}:{tmp_path}/there/*.c", tmp_path / "back")
    assert sorted(os.listdir(tmp_path / "back")) == ["a.c", "b.c"]
    scp(ends, f"{ends[2]}:{tmp_path}/there/*.c", tmp_path / "one", code=1)


def test_what_is_missing_is_named_and_the_rest_is_copied(ends, tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "there").mkdir()
    done = scp(ends, tmp_path / "nothing", tmp_path / "a", f"{ends[2]}:{tmp_path}/there", code=1)
    assert "nothing" in done.stderr and (tmp_path / "there" / "a").read_text() == "a"
    done = scp(ends, f"{ends[2]}:{tmp_path}/nothing", tmp_path / "x", code=1)
    assert "nothing" in done.stderr and not (tmp_path / "x").exists()
    done = scp(ends, f"{ends[2]}:{tmp_path}/there", tmp_path / "x", code=1)
    assert done.stderr and not (tmp_path / "x").exists()


def test_a_longer_file_is_cut_to_the_new_length(ends, tmp_path):
    (tmp_path / "source").write_bytes(b"short")
    (tmp_path / "away").write_bytes(b"much longer than that")
    scp(ends, tmp_path / "source", f"{ends[2]}:{tmp_path}/away")
    (tmp_path / "back").write_bytes(b"much longer than that")
    scp(ends, f"{ends[2]}:{tmp_path}/away", tmp_path / "back")
    assert (tmp_path / "away").read_bytes() == b"short" == (tmp_path / "back").read_bytes()


@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["sftp", "old"])
def test_between_two_hosts_through_here(servers, flags, tmp_path):
    ours, theirs = servers["sluiced"], servers["sshd"]
    make_tree(tmp_path / "tree")
    both = [*ours.options(), "-i", str(theirs.key)]
    run([SLUICE, "scp", *both, *flags, "-r", f"scp://{HOST}:{ours.port}/{tmp_path}/tree", f"scp://{HOST}:{theirs.port}/{tmp_path}/away"])
    assert checksums(tmp_path / "away") == checksums(tmp_path / "tree")


@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["sftp", "old"])
def test_keys_change_while_a_file_moves(servers, flags, tmp_path):
    data = content(20_000_001, 7)
    (tmp_path / "source").write_bytes(data)
    for name, server in servers.items():
        words = [SLUICE, "scp", *server.options(), "-o", "RekeyLimit=1M", "-P", server.port, *flags]
        run([*words, tmp_path / "source", f"{HOST}:{tmp_path}/away {name}" if not flags else f"{HOST}:{tmp_path}/away_{name}"])
        away = tmp_path / (f"away_{name}" if flags else f"away {name}")
        assert away.read_bytes() == data
        run([*words, f"{HOST}:{away}", tmp_path / "back"])
        assert (tmp_path / "back").read_bytes() == data


def test_a_link_named_sluice_scp_is_the_program_and_local_copies_need_no_host(tmp_path):
    (tmp_path / "sluice-scp").symlink_to(SLUICE)
    (tmp_path / "a").write_text("a")
    run([tmp_path / "sluice-scp", tmp_path / "a", tmp_path / "b"])
    assert (tmp_path / "b").read_text() == "a"
    # A colon behind a slash is part of a name.
    (tmp_path / "x:y").write_text("colon")
    run([tmp_path / "sluice-scp", "./x:y", tmp_path / "c"], cwd=tmp_path)
    assert (tmp_path / "c").read_text() == "colon"


def test_wrong_command_lines_are_explained():
    for words, told in ((["a"], "usage"), (["-Z", "a", "b"], "-Z"), (["-l", "x", "a", "b"], "-l")):
        done = run([SLUICE, "scp", *words], 1)
        assert told in done.stderr
