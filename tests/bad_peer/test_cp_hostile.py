"""sluice cp from a server that means harm: nothing gets out of the target, no terminal trick, no endless memory or time."""
import os
import pathlib
import resource
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.bad_peer.hostile_server import FOLDER, LINK, REGULAR, HostileServer, Tree, attributes  # noqa: E402

SLUICE = pathlib.Path(os.environ["SLUICE_BUILD"]) / "apps/sluice/sluice"
TIMEOUT = 120
MOST_MEMORY = 400 << 20


def cp(server, source, target, *flags):
    command = [SLUICE, "cp", "-F", "none", "-P", str(server.port), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
               "UserKnownHostsFile=/dev/null", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR", *flags, f"ann@127.0.0.1:{source}",
               str(target)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after == before or after * 1024 < MOST_MEMORY, f"{after} KiB"
    assert b"\x1b" not in done.stdout + done.stderr and b"\x07" not in done.stdout + done.stderr, done.stderr
    assert b"CHECK" not in done.stderr, done.stderr
    return done


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class Names(Tree):
    """A folder whose names are the test's."""

    def __init__(self, names):
        super().__init__({"/top/good": b"good"})
        self.bad = names

    def names(self, path):
        if self.realpath(path) == b"/top":
            yield [(name, b"l", attributes(mode, 5)) for name, mode in self.bad] + [(b"good", b"l", attributes(REGULAR, 4))]

    def attributes(self, path, follow):
        return super().attributes(path, follow) or attributes(REGULAR, 5)

    def read(self, path, offset, length):
        if path.endswith(b"good"):
            return super().read(path, offset, length)
        return None if offset >= 5 else b"harm!"[offset:offset + length]


BAD = [b"..", b".", b"", b"../escaped", b"/tmp/escaped", b"a/b", b"x\nname", b"x\x1b[2J\x07", b"x\x00y", b"n" * 300]


@pytest.mark.parametrize("mode", [REGULAR, FOLDER, LINK])
def test_names_that_lead_elsewhere_are_refused_and_the_rest_is_copied(tmp_path, mode):
    target = tmp_path / "target"
    with HostileServer(Names([(name, mode) for name in BAD])) as server:
        done = cp(server, "/top", target, "-r")
    assert done.returncode == 1 and b"refused" in done.stderr
    assert everything(tmp_path) == ["target", "target/good"]
    assert (target / "good").read_bytes() == b"good"


def test_a_link_and_then_a_file_through_it_stay_inside(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()

    class Twice(Tree):
        def names(self, path):
            if self.realpath(path) == b"/top":
                yield [(b"way", b"l", attributes(LINK, 0))]
                yield [(b"way", b"l", attributes(FOLDER, 0))]
            elif self.realpath(path) == b"/top/way":
                yield [(b"file", b"l", attributes(REGULAR, 5))]

        def attributes(self, path, follow):
            return attributes(FOLDER if not path.endswith(b"file") else REGULAR, 5)

        def link(self, path):
            return self.target

        def read(self, path, offset, length):
            return None if offset else b"harm!"

    for target in (str(victim).encode(), b"../victim", b"."):
        tree = Twice()
        tree.target = target
        with HostileServer(tree) as server:
            cp(server, "/top", tmp_path / "target", "-r")
        assert everything(victim) == []


def test_sizes_that_lie_and_reads_without_a_byte_are_no_success(tmp_path):
    class Lies(Tree):
        def __init__(self, told, read):
            super().__init__()
            self.told, self.say = told, read

        def attributes(self, path, follow):
            return attributes(REGULAR, self.told)

        def read(self, path, offset, length):
            return self.say(offset, length)

    cases = [(1 << 62, lambda offset, length: None if offset > 100_000 else b"x" * min(length, 1000)),
             (10, lambda offset, length: b"x" * length), (1000, lambda offset, length: b""), (5_000_000, lambda offset, length: b""),
             (5_000_000, lambda offset, length: b"x" * (length + 1)), (5_000_000, lambda offset, length: None),
             (1000, lambda offset, length: b"x" * 999 if offset == 0 else None)]
    for told, read in cases:
        with HostileServer(Lies(told, read)) as server:
            done = cp(server, "/file", tmp_path / "copy")
        assert done.returncode == 1, (told, done.stderr)
        assert not (tmp_path / "copy").exists(), told


def test_directories_without_end_end(tmp_path):
    class Deep(Tree):
        def names(self, path):
            yield [(b"d", b"l", attributes(FOLDER, 0))]

        def attributes(self, path, follow):
            return attributes(FOLDER, 0)

    with HostileServer(Deep()) as server:
        done = cp(server, "/top", tmp_path / "target", "-r")
    assert done.returncode == 1 and b"without end" in done.stderr

    class Nothing(Tree):
        def names(self, path):
            while True:
                yield []

        def attributes(self, path, follow):
            return attributes(FOLDER, 0)

    with HostileServer(Nothing()) as server:
        done = cp(server, "/top", tmp_path / "other", "-r")
    assert done.returncode == 1 and b"no end" in done.stderr


def test_words_of_a_server_reach_the_terminal_tame(tmp_path):
    class Words(Tree):
        text = b"\x1b]0;owned\x07\x9b31mred"

        def attributes(self, path, follow):
            return None

    with HostileServer(Words()) as server:
        done = cp(server, "/file", tmp_path / "copy", "-v")
    assert done.returncode == 1 and rb"\033]0;owned" in done.stderr


def test_channels_that_a_server_opens_are_refused(tmp_path):
    with HostileServer(Tree({"/file": b"content"}), unasked=True) as server:
        done = cp(server, "/file", tmp_path / "copy")
        assert done.returncode == 0, done.stderr
        assert len(server.unasked) == 3 and all(result != "opened" for _, result in server.unasked), server.unasked
