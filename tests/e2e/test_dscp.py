"""What `ssh server dscp` and IPQoS write into packets of IPv4 and of IPv6, as they are on the wire, both ends' and every program's."""
import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"]).resolve()
SLUICE = BUILD / "apps/sluice/sluice"
PATIENCE = 60
SERVER_DSCP = 12
# The protocol of the packets, and how an address is written where a colon has a meaning. Mapped: IPv4 of an IPv6 socket.
WAYS = {"IPv4": (0x0800, "127.0.0.1"), "IPv6": (0x86dd, "::1"), "mapped": (0x0800, "::ffff:127.0.0.1")}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="packets are root's to see")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sluiced(BUILD, tmp_path_factory.mktemp("sluiced"), f"ssh server dscp {SERVER_DSCP}", "ssh server listen ::") as server:
        yield server


def only_port(wire, protocol, port):
    """TCP packets from or to this port: others' traffic on the loopback device would crowd them out. No options, no fragments."""
    at, tcp = (9, 20) if protocol == 0x0800 else (6, 40)
    program = [(0x30, 0, 0, at), (0x15, 0, 5, 6),  # TCP or drop
               (0x28, 0, 0, tcp), (0x15, 2, 0, port),  # the source port
               (0x28, 0, 0, tcp + 2), (0x15, 0, 1, port),  # the destination port
               (0x06, 0, 0, 128), (0x06, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    wire.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", len(program), ctypes.addressof(code)))  # SO_ATTACH_FILTER


@contextlib.contextmanager
def packets_of(protocol, port):
    """A list that is filled at the end: (source port, the octet's upper six bits in place)."""
    seen = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as wire:
        only_port(wire, protocol, port)
        wire.bind(("lo", protocol))
        wire.settimeout(1)
        yield seen
        with contextlib.suppress(TimeoutError):
            while True:
                packet = wire.recv(256)
                octet, tcp = (packet[1], 20) if protocol == 0x0800 else (struct.unpack("!I", packet[:4])[0] >> 20 & 0xff, 40)
                source = struct.unpack_from("!H", packet, tcp)[0]
                # A reset is the kernel's and bears the mark of what it answers.
                if packet[tcp + 13] & 0x04:
                    continue
                if (source, octet & 0xfc) not in seen[-1:]:
                    seen.append((source, octet & 0xfc))


def last_octets(seen, port):
    """The session's packets are the last ones; what the login's are is nobody's affair."""
    ours = [octet for source, octet in seen if source != port]
    theirs = {octet for source, octet in seen if source == port}
    assert ours and theirs, seen
    return ours[-1], theirs


def common(server, *options):
    return ["-F", "none", "-i", server.key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", *options]


def run(*words):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
                          start_new_session=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options,octet", [
    ([], 0x20),  # cs1: no terminal, so it is bulk
    (["-tt"], 0x48),  # af21
    (["-o", "IPQoS=ef cs5"], 0xa0),
    (["-tt", "-o", "IPQoS=ef cs5"], 0xb8),
    (["-o", "IPQoS=none"], 0x00),
], ids=["bulk", "interactive", "bulk as asked", "interactive as asked", "none"])
def test_ssh_marks_what_it_is_and_sluiced_what_it_was_told(server, way, options, octet):
    protocol, address = WAYS[way]
    with packets_of(protocol, server.port) as seen:
        run(SLUICE, "ssh", *common(server, *options), "-p", server.port, f"{USER}@{address}", "true")
    ours, theirs = last_octets(seen, server.port)
    assert ours == octet, seen
    assert theirs == {SERVER_DSCP << 2}, seen


@pytest.mark.parametrize("way", ["IPv4", "IPv6"])
@pytest.mark.parametrize("program", ["scp", "sftp", "cp"])
def test_programs_that_move_files_mark_their_packets_as_bulk(server, tmp_path, way, program):
    protocol, address = WAYS[way]
    (tmp_path / "from").write_bytes(os.urandom(100_000))
    (tmp_path / "batch").write_text(f"put {tmp_path}/from {tmp_path}/to\n")
    target = f"{USER}@[{address}]:{tmp_path}/to"
    words = {"scp": [*common(server), "-P", server.port, tmp_path / "from", target],
             "sftp": [*common(server), "-b", tmp_path / "batch", "-P", server.port, f"{USER}@[{address}]"],
             "cp": [*common(server), "-P", server.port, tmp_path / "from", target]}[program]
    with packets_of(protocol, server.port) as seen:
        run(SLUICE, program, *words)
    assert (tmp_path / "to").read_bytes() == (tmp_path / "from").read_bytes()
    assert last_octets(seen, server.port)[0] == 0x20, seen


@pytest.mark.parametrize("way", ["IPv4", "IPv6"])
def test_a_stock_client_is_answered_with_the_mark(server, way):
    protocol, address = WAYS[way]
    with packets_of(protocol, server.port) as seen:
        run("ssh", *common(server), "-p", server.port, f"{USER}@{address}", "true")
    assert last_octets(seen, server.port)[1] == {SERVER_DSCP << 2}, seen
