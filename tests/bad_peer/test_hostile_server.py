"""Servers that are out to harm: nothing is written outside the target, nothing reaches a terminal raw, memory is bounded."""
import os
import pathlib
import resource
import struct
import subprocess
import sys
import unicodedata

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.bad_peer.hostile_server import (DATA, EXTENDED_REPLY, FOLDER, LINK, NAME, REGULAR, HostileServer, SftpTalk, Tree,  # noqa: E402
                                           attributes, string)

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
SLUICE = BUILD / "apps/sluice/sluice"
TIMEOUT = 120
ESCAPE = b"\x1b]0;owned\x07\x1b[2J\r\x9b31m"


def run(server, program, *words, code=None, **more):
    options = ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
               "IdentityAgent=none", "-o", "IdentityFile=none", "-P", server.port]
    command = [str(word) for word in (SLUICE, program, *options, *words)]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, **more)
    for stream in (done.stdout, done.stderr):
        bad = [c for c in stream.decode() if unicodedata.category(c) == "Cc" and c not in "\t\n"]
        assert not bad, stream
    if code is not None:
        assert done.returncode == code, done
    return done


def sftp(server, script, **more):
    return run(server, "sftp", "-b", "-", "x@127.0.0.1", input=script.encode(), **more)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class WithNames(Tree):
    """Names that no folder has, each a file of five bytes."""

    def __init__(self, names):
        super().__init__()
        self.listed = names

    def names(self, path):
        yield [(name, b"-rw " + ESCAPE, attributes(REGULAR, 5)) for name in self.listed]

    def attributes(self, path, follow):
        path = self.realpath(path)
        return attributes(FOLDER) if path in (b"/", b"/t") else attributes(REGULAR, 5)

    def read(self, path, offset, length):
        return b"hello"[offset:offset + length] or None


NAMES = [b"../evil", b"/tmp/evil", b"..", b".", b"", b"a/b", b"../../evil", b"x\0y", b"good"]


@pytest.mark.parametrize("program", ["sftp -r", "sftp *", "scp", "cp"])
def test_names_that_lead_elsewhere_write_nothing_there(program, tmp_path):
    target = tmp_path / "in" / "target"
    target.mkdir(parents=True)
    with HostileServer(WithNames(NAMES)) as server:
        if program == "sftp -r":
            sftp(server, f"get -r /t {target}\n")
        elif program == "sftp *":
            sftp(server, f"get /t/* {target}\n")
        else:
            run(server, program, "-r", "x@127.0.0.1:/t", target)
    found = everything(tmp_path)
    assert all(name == "in" or name.startswith("in/target") for name in found), found
    assert not any("evil" in name for name in found), found
    assert any(name.endswith("good") for name in found) or program == "cp"


def test_names_and_messages_are_escaped_for_the_terminal(tmp_path):
    tree = WithNames([b"a" + ESCAPE, b"b"])
    tree.text = b"no " + ESCAPE
    with HostileServer(tree, banner=ESCAPE.decode("latin1")) as server:
        done = sftp(server, f"-ls -1 /t\n-ls -l /t\n-rm /t/b\n-mkdir /x\n-cd /t/b\n-get -r /t {tmp_path}/t\n")
        assert b"owned" in done.stdout and b"no " in done.stderr
        run(server, "scp", "-r", "x@127.0.0.1:/t", tmp_path / "u")


@pytest.mark.parametrize("told, has", [(1000, 10), (10, 1000), (0, 1000), (2**63, 10), (2**64 - 1, 10)])
def test_a_size_that_lies_ends_as_an_error_or_as_what_there_is(told, has, tmp_path):
    class Lies(Tree):
        def attributes(self, path, follow):
            return attributes(REGULAR, told) if self.realpath(path) == b"/f" else super().attributes(path, follow)

    content = bytes(range(250)) * 4
    with HostileServer(Lies({"/f": content[:has]})) as server:
        for program in ("sftp", "scp"):
            target = tmp_path / program
            done = (sftp(server, f"get /f {target}\n") if program == "sftp" else run(server, "scp", "x@127.0.0.1:/f", target))
            got = target.read_bytes() if target.exists() else b""
            if done.returncode == 0:
                # As long as was told, or, where nothing was told, all of it.
                assert got == content[:min(told or has, has)] and (told == 0 or len(got) == told)
            else:
                assert told > has and content.startswith(got)


def test_reads_of_no_bytes_do_not_go_on_for_ever(tmp_path):
    class Empty(Tree):
        def read(self, path, offset, length):
            return b""

    with HostileServer(Empty({"/f": b"hello"})) as server:
        assert sftp(server, f"get /f {tmp_path}/f\n").returncode != 0


def test_more_data_than_was_asked_for_is_no_data(tmp_path):
    class Generous(Tree):
        def read(self, path, offset, length):
            return bytes(length + 1)

    with HostileServer(Generous({"/f": b"hello"})) as server:
        assert sftp(server, f"get /f {tmp_path}/f\n").returncode != 0
    assert (tmp_path / "f").stat().st_size <= 5


def test_a_folder_without_an_end_is_given_up(tmp_path):
    class Endless(Tree):
        def names(self, path):
            number = 0
            while True:
                yield [(b"%020d" % (number + i), b"", attributes(REGULAR, 0)) for i in range(400)]
                number += 400

        def attributes(self, path, follow):
            return attributes(FOLDER)

    with HostileServer(Endless()) as server:
        command = [str(SLUICE), "sftp", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                   "IdentityFile=none", "-o", "IdentityAgent=none", "-P", str(server.port), "-b", "-", "x@127.0.0.1"]
        # Bounded by what a process may have: it ends by itself, with words.
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        done = subprocess.run(command, input=b"@ls -1 /\n", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600,
                              preexec_fn=limit)
    assert done.returncode == 1 and b"gave up" in done.stderr, done


def test_a_tree_without_an_end_is_given_up(tmp_path):
    class Deep(Tree):
        def names(self, path):
            yield [(b"d", b"", attributes(FOLDER))]

        def attributes(self, path, follow):
            return attributes(FOLDER)

    with HostileServer(Deep()) as server:
        for done in (sftp(server, f"get -r / {tmp_path}/sftp\n"), run(server, "scp", "-r", "x@127.0.0.1:/", tmp_path / "scp")):
            assert done.returncode == 1 and b"depth" in done.stderr, done
    assert len(everything(tmp_path)) < 300


def test_links_out_of_the_tree_are_not_made_here(tmp_path):
    """A link, then a file below it: followed, it would be written wherever the server says."""
    class Links(Tree):
        def names(self, path):
            if self.realpath(path) == b"/t":
                yield [(b"out", b"", attributes(LINK, 4)), (b"out", b"", attributes(FOLDER))]
            else:
                yield [(b"evil", b"", attributes(REGULAR, 5))]

        def attributes(self, path, follow):
            path = self.realpath(path)
            return attributes(REGULAR, 5) if path.endswith(b"evil") else attributes(FOLDER)

        def link(self, path):
            return os.fsencode(tmp_path / "outside")

        def read(self, path, offset, length):
            return b"hello"[offset:offset + length] or None

    (tmp_path / "outside").mkdir()
    with HostileServer(Links()) as server:
        sftp(server, f"get -r /t {tmp_path}/sftp\n")
        run(server, "scp", "-r", "x@127.0.0.1:/t", tmp_path / "scp")
        run(server, "cp", "-r", "x@127.0.0.1:/t", tmp_path / "cp")
    assert everything(tmp_path / "outside") == []


def test_channels_that_nobody_asked_for_are_refused():
    with HostileServer(Tree({"/f": b"x"}), unasked=True) as server:
        sftp(server, "ls /\n", code=0)
        assert [result for _, result in server.unasked] == ["ChannelOpenError"] * 3, server.unasked


def legacy(turns, *flags, target, request="x"):
    class Says(Tree):
        def scp(self, command):
            return turns

    with HostileServer(Says()) as server:
        return run(server, "scp", "-O", *flags, f"x@127.0.0.1:{request}", target), server.asked


@pytest.mark.parametrize("name", [b"../evil", b"/tmp/evil", b"..", b".", b"", b"a/b", b"evil" + ESCAPE, b"other"])
@pytest.mark.parametrize("kind", ["C", "D"])
def test_the_old_protocol_takes_no_name_that_was_not_asked_for(name, kind, tmp_path):
    target = tmp_path / "in" / "target"
    target.mkdir(parents=True)
    turn = b"%c0755 %d %s\n" % (kind.encode(), 5 if kind == "C" else 0, name)
    done, _ = legacy([turn, b"hello\0"], *(["-r"] if kind == "D" else []), target=target)
    assert done.returncode == 1
    assert everything(tmp_path) == ["in", "in/target"]


@pytest.mark.parametrize("turns", [[b"C0644 99999999999999999999 x\n"], [b"C0644 -1 x\n"], [b"Cabcd 1 x\n"], [b"E\n"], [b"Z\n"],
                                   [b"T1 2 3\n"], [b"C0644 5 x\n", b"hel"], [b"D0755 0 x\n"], [b"\2fatal " + ESCAPE + b"\n"],
                                   [b"\1error " + ESCAPE + b"\n"], [b"C" * 100000]], ids=lambda turns: repr(turns[0][:20]))
def test_the_old_protocol_ends_with_an_error_where_the_server_makes_no_sense(turns, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    done, _ = legacy(turns, target=target)
    assert done.returncode == 1 and done.stderr
    assert set(everything(target)) <= {"x"}


def test_the_old_protocol_does_not_go_down_for_ever(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    done, _ = legacy([b"D0755 0 x\n"] * 1000, "-r", target=target)
    assert done.returncode == 1 and len(everything(target)) < 100


def test_folders_of_the_old_protocol_end_no_more_than_they_began(tmp_path):
    target = tmp_path / "in" / "target"
    target.mkdir(parents=True)
    done, _ = legacy([b"D0755 0 x\n", b"E\n", b"E\n", b"C0644 5 x\n", b"hello\0"], "-r", target=target)
    assert done.returncode == 1
    assert set(everything(tmp_path)) <= {"in", "in/target", "in/target/x"}


def test_answers_that_make_no_sense_end_the_connection_and_not_the_process(monkeypatch):
    for answer in ((NAME, struct.pack(">I", 0xFFFFFFFF)), (DATA, struct.pack(">I", 0x7FFFFFFF)), (EXTENDED_REPLY, b""), (99, b"x"),
                   (NAME, struct.pack(">I", 1) + string(b"x" * 100))):
        with HostileServer(Tree()) as server:
            monkeypatch.setattr(SftpTalk, "answer", lambda self, kind, reader, answer=answer: answer)
            done = sftp(server, "pwd\nls\n")
        assert done.returncode in (1, 255) and done.stderr, done
