"""sluice to sluiced over ports of DPDK, with no socket of the kernel between them: shared memory (memif), alone and with
a bad wire in between that loses, reorders, doubles and damages frames by a seed."""
import hashlib
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
SLUICE = BUILD / "apps/sluice/sluice"
LINK = BUILD / "tests/link/sluice-frame-link"
pytestmark = pytest.mark.skipif(not (BUILD / "drivers/sluice-dpdk.so").exists(), reason="this build has no DPDK")
_numbers = itertools.count()


def name_of(what):
    """Of an abstract socket: gone with its process."""
    return f"sluice-{os.getpid()}-{next(_numbers)}-{what}"


def memif(role, name, number=0):
    return f"net_memif{number},role={role},id={number},socket={name}"


def sum_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Ends:
    """A sluiced and the flags by which a client's port meets its port."""

    def __init__(self, folder, wire=None, mtu=1500, lines=(), kind=("memif", "")):
        self.folder, self.wire, self.mtu, self.lines = pathlib.Path(folder), wire, mtu, lines
        self.kind = kind
        self.link = self.server = None

    def __enter__(self):
        first = name_of("a")
        if self.kind[0] == "vhost":
            socket = self.folder.parent / first
            served, self.client = f"net_vhost0,iface={socket},queues=1{self.kind[1]}", f"net_virtio_user0,path={socket},queues=1"
        elif self.wire is None:
            served, self.client = memif("server", first), memif("client", first)
        else:
            second = name_of("b")
            self.link = subprocess.Popen([LINK, "--port", memif("server", first, 0), "--port", memif("server", second, 1), "--mtu",
                                          str(self.mtu), *map(str, self.wire)], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert self.link.stdout.readline() == "ready\n", self.link.communicate()
            served, self.client = memif("client", first), memif("client", second, 1)
        self.server = Sluiced(BUILD, self.folder, f"port dpdk {served}", "port address 10.7.0.1/24", "port address fd00:7::1/64",
                              f"port mtu {self.mtu}", *self.lines)
        self.server.start()
        # Its socket of the kernel is there before its port is.
        deadline = time.monotonic() + 120
        while "serving on" not in self.server.log.read_text(errors="replace"):
            assert self.server.process.poll() is None and time.monotonic() < deadline, self.server.log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.server.stop()
        if self.link:
            self.link.send_signal(signal.SIGTERM)
            self.counts = self.link.communicate(timeout=60)[1]

    def sluice(self, program, *words, **more):
        port = ["--port-dev", self.client, "--port-address", "10.7.0.2/24", "--port-address", "fd00:7::2/64", "--port-mtu", self.mtu]
        given = {"timeout": 550, "stdin": subprocess.DEVNULL, **more}
        if "input" in given:
            del given["stdin"]
        return subprocess.run([str(w) for w in (SLUICE, program, *port, *self.server.options(), *words)], capture_output=True,
                              text=True, **given)

    def ssh(self, *words, address="10.7.0.1", **more):
        return self.sluice("ssh", "-p", self.server.port, f"{USER}@{address}", *words, **more)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "source"
    path.write_bytes(os.urandom(6 << 20) + b"the odd end")
    return path


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    with Ends(tmp_path_factory.mktemp("ends")) as ends:
        yield ends


def there_and_back(ends, source, folder, *options):
    port = ends.server.port
    there, back = folder / "there", folder / "back"
    for words in ((source, f"{USER}@10.7.0.1:{there}"), (f"{USER}@10.7.0.1:{there}", back)):
        done = ends.sluice("cp", *options, "-n", "1", "-P", port, *words)
        assert done.returncode == 0, done.stderr
    assert sum_of(there) == sum_of(back) == sum_of(source)


@pytest.mark.parametrize("address", ["10.7.0.1", "fd00:7::1"])
def test_a_command_runs_without_a_socket(ends, address):
    done = ends.ssh("echo out; exit 3", address=address)
    assert (done.stdout, done.returncode) == ("out\n", 3), done.stderr


def test_a_file_goes_there_and_back(ends, source, tmp_path):
    there_and_back(ends, source, tmp_path)


def test_keys_change_on_the_way(ends, source, tmp_path):
    there_and_back(ends, source, tmp_path, "-o", "RekeyLimit=512K")


def test_sftp_works_over_it(ends, source, tmp_path):
    done = ends.sluice("sftp", "-P", ends.server.port, "-b", "-", f"{USER}@10.7.0.1",
                       input=f"put {source} {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n")
    assert done.returncode == 0, done.stderr
    assert sum_of(tmp_path / "there") == sum_of(tmp_path / "back") == sum_of(source)


def test_a_port_where_nobody_listens_refuses(ends):
    done = ends.sluice("ssh", "-p", "9", f"{USER}@10.7.0.1", "true")
    assert done.returncode == 255
    assert "Connection refused" in done.stderr


def test_a_host_that_is_not_there_is_waited_for_as_long_as_was_said(ends):
    done = ends.sluice("ssh", "-o", "ConnectTimeout=3", "-p", ends.server.port, f"{USER}@10.7.0.9", "true")
    assert done.returncode == 255
    assert "timed out" in done.stderr


def test_a_port_without_an_address_is_an_error_that_says_what_to_do(ends):
    done = subprocess.run([SLUICE, "ssh", "--port-dev", ends.client, "-F", "none", f"{USER}@10.7.0.1", "true"], capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 255
    assert "PortAddress" in done.stderr


@pytest.mark.parametrize("mtu", [9000, 65521])
def test_jumbo_frames_go_there_and_back(tmp_path, source, mtu):
    with Ends(tmp_path / "server", mtu=mtu) as ends:
        there_and_back(ends, source, tmp_path)
        log = ends.server.log.read_text(errors="replace")
    assert f"MTU {mtu}," in log


def test_an_mtu_that_a_memifs_slots_do_not_hold_is_refused(tmp_path):
    done = subprocess.run([SLUICE, "ssh", "--port-dev", memif("client", name_of("a")) + ",bsize=2048", "--port-address", "10.7.0.2/24",
                           "--port-mtu", "9000", "-F", "none", f"{USER}@10.7.0.1", "true"], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 255
    assert "needs slots of 9014 bytes" in done.stderr and "an MTU of 2034 fits" in done.stderr


@pytest.mark.parametrize("mtu,server_more", [(1500, ""), (9000, ""), (1500, ",tso=1"), (9000, ",tso=1")],
                         ids=["usual", "jumbo", "cut-by-the-device", "jumbo-cut-by-the-device"])
def test_virtio_user_and_vhost_carry_windows_that_grow(tmp_path, mtu, server_more):
    """Enough that rings grow while records are worked on."""
    large = tmp_path / "large"
    piece = os.urandom(1 << 20)
    with open(large, "wb") as file:
        for i in range(160):
            file.write(piece[i:] + piece[:i])
    with Ends(tmp_path / "server", mtu=mtu, kind=("vhost", server_more)) as ends:
        there_and_back(ends, large, tmp_path)


def test_a_memifs_clients_may_vanish_while_they_send(tmp_path, source):
    """DPDK's own thread takes the shared memory away then, and the server's worker is reading it."""
    with Ends(tmp_path / "server") as ends:
        port = ["--port-dev", ends.client, "--port-address", "10.7.0.2/24"]
        for i in range(8):
            words = [SLUICE, "ssh", *port, *ends.server.options(), "-p", ends.server.port, f"{USER}@10.7.0.1", "echo here; cat > /dev/null"]
            with open("/dev/zero", "rb") as zero:
                client = subprocess.Popen([str(word) for word in words], stdin=zero, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert client.stdout.readline() == "here\n", client.communicate()
            time.sleep(0.02 * i)
            client.kill()
            client.communicate()
        there_and_back(ends, source, tmp_path)
        assert ends.server.process.poll() is None


@pytest.mark.parametrize("wire", [("--delay", "5"),
                                  ("--loss", "0.01", "--seed", "3"),
                                  ("--loss", "0.005", "--reorder", "0.02", "--duplicate", "0.01", "--corrupt", "0.005", "--delay", "1", "--seed", "5"),
                                  ("--rate", "20000000", "--buffer", "100000", "--delay", "2")],
                         ids=["late", "lossy", "all-at-once", "narrow"])
def test_a_bad_wire_changes_no_byte(tmp_path, source, wire):
    with Ends(tmp_path / "server", wire=wire) as ends:
        there_and_back(ends, source, tmp_path)
    assert "up: in " in ends.counts
