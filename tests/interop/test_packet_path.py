"""sluiced over a port of DPDK against Linux's own TCP: stock clients, port scans, ends in every order."""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support import port_world  # noqa: E402
from tests.support.ssh_servers import free_port  # noqa: E402
from tests.support.port_world import OURS, OURS6, PEERS, PortWorld  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
pytestmark = pytest.mark.skipif(port_world.available() is not None, reason=str(port_world.available()))
MANY = ("ssh server rate-limit 600", "ssh server session-limit 1024")


def sum_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="module", params=["tap", "packet"])
def world(request, tmp_path_factory):
    with PortWorld(BUILD, tmp_path_factory.mktemp(request.param), *MANY, kind=request.param) as world:
        yield world
    # The server said goodbye: neither crashed nor stuck.
    assert world.process.returncode == 0, world.log.read_text()[-3000:]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "source"
    path.write_bytes(os.urandom(8 << 20) + b"the odd end")
    return path


def test_a_command_runs_and_its_status_comes_back(world):
    done = world.ssh("echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


@pytest.mark.parametrize("address", [OURS, OURS6])
def test_sftp_puts_and_gets(world, source, tmp_path, address):
    batch = f"put {source} {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n"
    done = world.inside("sftp", *world.options(), "-P", world.port, "-b", "-", f"root@[{address}]", input=batch)
    assert done.returncode == 0, done.stderr
    assert sum_of(tmp_path / "there") == sum_of(tmp_path / "back") == sum_of(source)


@pytest.mark.parametrize("flags", [(), ("-O",)])
def test_scp_puts_and_gets(world, source, tmp_path, flags):
    there, back = tmp_path / "there", tmp_path / "back"
    for words in ((source, f"root@{OURS}:{there}"), (f"root@{OURS}:{there}", back)):
        done = world.inside("scp", *flags, *world.options(), "-P", world.port, *words)
        assert done.returncode == 0, done.stderr
    assert sum_of(there) == sum_of(back) == sum_of(source)


def test_keys_change_in_the_middle_of_a_transfer(world, source, tmp_path):
    batch = f"put {source} {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n"
    done = world.inside("sftp", *world.options(), "-o", "RekeyLimit=512K", "-P", world.port, "-b", "-", f"root@{OURS}", input=batch)
    assert done.returncode == 0, done.stderr
    assert sum_of(tmp_path / "there") == sum_of(tmp_path / "back") == sum_of(source)


def test_many_sessions_at_once_keep_their_data_apart(world, tmp_path):
    runs = []
    for i in range(24):
        words = world.namespace.words("ssh", *world.options(), "-p", world.port, f"root@{OURS}", f"head -c 300000 /dev/zero | tr '\\0' '{chr(97 + i)}'")
        runs.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    for i, run in enumerate(runs):
        out, err = run.communicate(timeout=300)
        assert run.returncode == 0, err
        assert out == bytes([97 + i]) * 300000


def test_a_thousand_connections_come_and_go(world):
    """In waves: the server's own limits on strangers stand. Each is accepted, says who it is or why not, and ends."""
    script = f"""
import socket
answers = 0
for wave in range(50):
    held = [socket.create_connection(("{OURS}", {world.port}), 60, ("10.9.0.77", 0)) for _ in range(20)]
    for each in held:
        each.settimeout(60)
        answers += each.recv(200) != b""
        each.close()
print(answers)
"""
    # Strangers who come and go earn their address a penalty: one that nobody else uses.
    world.namespace.ip("addr", "add", "10.9.0.77/24", "dev", "ssh0" if world.kind == "tap" else "peer0")
    done = world.inside("/usr/bin/python3", "-c", script, timeout=600)
    assert done.stdout.strip() == "1000", done.stderr
    assert world.ssh("echo still here").stdout == "still here\n"


SCAN = """
import sys
from scapy.all import IP, TCP, ICMP, UDP, conf, sr1, RandShort
conf.verb = 0
port = int(sys.argv[2])
def answer(packet):
    return sr1(IP(dst=sys.argv[1]) / packet, timeout=5, iface=sys.argv[3])
def flags(packet):
    got = answer(packet)
    return "none" if got is None else str(got[TCP].flags) if got.haslayer(TCP) else "icmp"
for dport in (port, 9):
    for name in ("S", "A", "F", "", "FPU", "SF", "R", "SR"):
        print(dport == port, name or "null", flags(TCP(sport=RandShort(), dport=dport, flags=name, seq=1000, ack=0)))
got = answer(ICMP() / b"payload")
print("echo", got is not None and got[ICMP].type == 0 and bytes(got[ICMP].payload)[:7] == b"payload")
got = answer(UDP(sport=4000, dport=9) / b"x")
print("udp", got is not None and got.haslayer(ICMP) and (got[ICMP].type, got[ICMP].code) == (3, 3))
"""


def test_port_scans_see_what_rfc_9293_says(world):
    pytest.importorskip("scapy", reason="python3-scapy is not installed")
    interface = "ssh0" if world.kind == "tap" else "peer0"
    done = world.inside("/usr/bin/python3", "-c", SCAN, OURS, world.port, interface, timeout=600)
    said = dict((tuple(line.split()[:-1]), line.split()[-1]) for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    open_port = {name: said[("True", name)] for name in ("S", "A", "F", "null", "FPU", "R")}
    assert open_port == {"S": "SA", "A": "R", "F": "none", "null": "none", "FPU": "none", "R": "none"}
    closed = {name: said[("False", name)] for name in ("S", "A", "F", "null", "FPU", "R", "SR")}
    assert closed == {"S": "RA", "A": "R", "F": "RA", "null": "RA", "FPU": "RA", "R": "none", "SR": "none"}
    assert said[("echo",)] == "True" and said[("udp",)] == "True"
    # A scan leaves nothing behind.
    assert world.ssh("echo still here").stdout == "still here\n"


def ports_of(done):
    """nmap's lines PORT STATE SERVICE."""
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (line.split() for line in done.stdout.splitlines() if "/tcp " in line or "/udp " in line)
    return {words[0]: words[1] for words in lines}


@pytest.mark.skipif(shutil.which("nmap") is None, reason="nmap is not installed")
def test_nmap_finds_the_one_port_by_every_scan(world):
    def scan(*words, target=OURS):
        return world.inside("nmap", "-n", "-Pn", "--reason", "--max-retries", "10", *words, target, timeout=600)

    found = "22/tcp"
    for way, one, other in (("-sS", "open", "closed"), ("-sT", "open", "closed"), ("-sF", "open|filtered", "closed"),
                            ("-sX", "open|filtered", "closed"), ("-sN", "open|filtered", "closed"), ("-sA", "unfiltered", "unfiltered")):
        assert ports_of(scan(way, "-p", f"{world.port},9")) == {found: one, "9/tcp": other}, way
    assert ports_of(scan("-6", "-sS", "-p", f"{world.port},9", target=OURS6)) == {found: "open", "9/tcp": "closed"}
    assert ports_of(scan("-sU", "-p", "9")) == {"9/udp": "closed"}
    # All that answer with a reset are said to, and none is lost to a limit.
    many = scan("-sS", "-p", "1-1000")
    assert ports_of(many) == {found: "open"} and "999 closed" in many.stdout, many.stdout
    # Questions nobody should ask: its guess at the system, and who serves.
    asked = scan("-O", "-sV", "-p", f"{world.port},9")
    assert ports_of(asked) == {found: "open", "9/tcp": "closed"} and "protocol 2.0" in asked.stdout, asked.stdout
    assert world.ssh("echo still here").stdout == "still here\n"


ENDS = """
import socket, struct, sys
where = sys.argv[1], int(sys.argv[2])
def opened(source):
    each = socket.create_connection(where, 60, (source, 0))
    each.settimeout(60)
    got = b""
    while not got.endswith(b"\\n"):
        piece = each.recv(1)
        assert piece, "no greeting"
        got += piece
    return each
def to_its_end(each):
    try:
        while each.recv(65536): pass
        return "fin"
    except ConnectionResetError:
        return "reset"
# A greeting, and a packet of 4 GiB: what no server stays for.
nonsense = b"SSH-2.0-odd_1\\r\\n" + b"\\xff" * 64
def we_close(each): each.close()
def we_close_half(each):
    each.shutdown(socket.SHUT_WR)
    assert to_its_end(each) == "fin"
def we_reset(each):
    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    each.close()
def we_close_and_have_not_read(each):
    each.sendall(b"SSH-2.0-odd_1\\r\\n")
    each.recv(1, socket.MSG_PEEK)
    each.close()
def it_closes(each):
    each.sendall(nonsense)
    assert to_its_end(each) == "fin"
def it_closes_and_we_write_on(each):
    each.sendall(nonsense)
    to_its_end(each)
    try:
        for _ in range(100): each.sendall(b"x" * 1000)
    except OSError: pass
def both_close(each):
    each.sendall(nonsense)
    each.shutdown(socket.SHUT_WR)
    to_its_end(each)
def it_closes_and_we_reset(each):
    each.sendall(nonsense)
    we_reset(each)
ends = we_close, we_close_half, we_reset, we_close_and_have_not_read, it_closes, it_closes_and_we_write_on, both_close, it_closes_and_we_reset
for source, end in zip(sys.argv[3:], ends):
    for _ in range(5):
        each = opened(source)
        end(each)
        each.close()
    print(end.__name__, flush=True)
"""


def test_connections_end_in_every_order_and_leave_nothing_behind(world):
    # Each order from an address of its own, as in the test of a thousand.
    sources = [f"10.9.0.{80 + i}" for i in range(8)]
    for source in sources:
        world.namespace.ip("addr", "add", f"{source}/24", "dev", "ssh0" if world.kind == "tap" else "peer0")
    # What the server does not close stays to be seen.
    world.inside("sysctl", "-qw", "net.ipv4.tcp_fin_timeout=3600")
    done = world.inside("/usr/bin/python3", "-c", ENDS, OURS, world.port, *sources, timeout=600)
    assert done.returncode == 0 and len(done.stdout.split()) == 8, done.stdout + done.stderr
    deadline = time.monotonic() + 100
    while True:
        there = world.inside("ss", "-Htan").stdout.splitlines()
        left = [line for line in there if any(f"{source}:" in line for source in sources) and not line.startswith("TIME-WAIT")]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert not left
    assert world.ssh("echo still here").stdout == "still here\n"


def test_a_client_that_is_killed_leaves_a_server_that_serves(world, tmp_path):
    run = subprocess.Popen(world.namespace.words("ssh", *world.options(), "-p", world.port, f"root@{OURS}", "cat /dev/zero"),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert len(run.stdout.read(1 << 20)) == 1 << 20
    run.kill()
    run.wait()
    run.stdout.close()
    assert world.ssh("echo still here").stdout == "still here\n"


def test_a_client_that_ends_its_input_hears_all_of_the_answer(world):
    done = world.ssh("sha256sum", input="x" * 3_000_000)
    assert done.stdout.split()[0] == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_a_half_closed_connection_is_served_to_its_end(world):
    """Our FIN comes before the rest of the server's line is read, which still arrives, and then its end. With a FIN before
    there is a session it may end without a word."""
    script = f"""
import socket
each = socket.create_connection(("{OURS}", {world.port}), 60)
got = each.recv(1)
each.shutdown(socket.SHUT_WR)
while True:
    piece = each.recv(4096)
    if not piece: break
    got += piece
print(got[:8].decode())
"""
    done = world.inside("/usr/bin/python3", "-c", script)
    assert done.stdout.strip() == "SSH-2.0-", done.stderr


def test_garbage_on_the_wire_is_counted_and_harmless(world):
    pytest.importorskip("scapy", reason="python3-scapy is not installed")
    script = """
import os, random, sys
from scapy.all import Ether, IP, IPv6, TCP, Raw, conf, sendp, fragment, getmacbyip
conf.verb = 0
random.seed(1)
mac = getmacbyip(sys.argv[1])
frames = []
for i in range(2000):
    whole = bytes(Ether(dst=mac) / IP(dst=sys.argv[1]) / TCP(dport=22, flags=random.randrange(256)) / Raw(os.urandom(random.randrange(60))))
    broken = bytearray(whole)
    for _ in range(random.randrange(1, 6)):
        broken[random.randrange(12, len(broken))] = random.randrange(256)
    frames.append(Raw(bytes(broken[:random.randrange(15, len(broken) + 1)])))
frames += [Ether(dst=mac) / piece for piece in fragment(IP(dst=sys.argv[1]) / TCP(dport=22, flags="S") / Raw(b"x" * 3000), 600)]
sendp(frames, iface=sys.argv[2])
"""
    interface = "ssh0" if world.kind == "tap" else "peer0"
    done = world.inside("/usr/bin/python3", "-c", script, OURS, interface, timeout=600)
    assert done.returncode == 0, done.stderr
    assert world.ssh("echo still here").stdout == "still here\n"


def test_a_server_that_ends_tells_its_clients(tmp_path):
    with PortWorld(BUILD, tmp_path) as world:
        run = subprocess.Popen(world.namespace.words("ssh", *world.options(), "-p", world.port, f"root@{OURS}", "echo up; sleep 600"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert run.stdout.readline() == b"up\n"
        world.process.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=120)
        assert run.returncode == 255
        world.process.wait(60)
        assert world.process.returncode == 0


def test_jumbo_frames_carry_a_transfer(tmp_path, source):
    with PortWorld(BUILD, tmp_path, mtu=9000) as world:
        batch = f"put {source} {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n"
        done = world.inside("sftp", *world.options(), "-P", world.port, "-b", "-", f"root@{OURS}", input=batch)
        assert done.returncode == 0, done.stderr
        assert sum_of(tmp_path / "there") == sum_of(tmp_path / "back") == sum_of(source)


def test_two_queues_share_the_connections_and_answer_once(tmp_path, source):
    pytest.importorskip("scapy", reason="python3-scapy is not installed")
    with PortWorld(BUILD, tmp_path, *MANY, "workers count 2", "port queues 2") as world:
        assert "queue pairs 2" in world.log.read_text()
        for i in range(6):
            batch = f"put {source} {tmp_path}/there{i}\nget {tmp_path}/there{i} {tmp_path}/back{i}\n"
            done = world.inside("sftp", *world.options(), "-P", world.port, "-b", "-", f"root@{OURS}", input=batch)
            assert done.returncode == 0, done.stderr
            assert sum_of(tmp_path / f"there{i}") == sum_of(tmp_path / f"back{i}") == sum_of(source)
        script = """
import sys
from scapy.all import ARP, Ether, ICMP, IP, conf, getmacbyip, srp
conf.verb = 0
def answers(packet):
    return len(srp(packet, iface=sys.argv[2], timeout=4, multi=True)[0])
print(answers(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst=sys.argv[1])), answers(Ether(dst=getmacbyip(sys.argv[1])) / IP(dst=sys.argv[1]) / ICMP()))
"""
        done = world.inside("/usr/bin/python3", "-c", script, OURS, "ssh0")
        assert done.stdout.split() == ["1", "1"], done.stdout + done.stderr


def test_a_capture_shows_the_frames_of_a_connection(tmp_path):
    scapy = pytest.importorskip("scapy.all", reason="python3-scapy is not installed")
    capture = tmp_path / "frames.pcap"
    with PortWorld(BUILD, tmp_path, f"port capture {capture}") as world:
        assert world.ssh("true").returncode == 0
    frames = scapy.rdpcap(str(capture))
    assert any(scapy.TCP in frame and frame[scapy.IP].src == PEERS for frame in frames if scapy.IP in frame)
    assert any(b"SSH-2.0-" in bytes(frame) for frame in frames)


def test_shows_and_the_log_tell_of_the_port_and_its_connections(world):
    def show(what):
        done = subprocess.run([BUILD / "apps/sluicectl/sluicectl", "--state-dir", world.folder / "state", "show", *what.split()],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    world.ssh("true")
    shown = show("port")
    assert world.device() in shown and f"{OURS}/24" in shown
    assert int(re.search(r"link up, frames in (\d+)", shown)[1]) > 0
    assert f"port address {OURS}/24" in show("running-config port")
    assert re.search(rf"{re.escape(OURS)}:22 .*LISTEN", show("tcp"))
    words = ("ssh", *world.options(), "-p", world.port, f"root@{OURS}", "echo here; cat")
    staying = subprocess.Popen(world.namespace.words(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert staying.stdout.readline() == b"here\n"
        listed = re.search(rf"{re.escape(OURS)}:22 +{re.escape(PEERS)}:\d+ +ESTABLISHED +(.*)", show("port connections"))
        mss, cwnd, _, rtt, rto, *_ = map(int, listed[1].split())
        assert mss > 500 and cwnd >= mss and 0 < rtt < rto
        wanted = re.compile(rf"{re.escape(OURS)} 22 - {re.escape(PEERS)} \d+ ESTABLISHED, mss \d+, cwnd \d+, rtt us [1-9].*retransmits \d")
        world.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 60
        while not wanted.search(world.log.read_text(errors="replace")):
            assert time.monotonic() < deadline, world.log.read_text(errors="replace")[-3000:]
            time.sleep(0.05)
    finally:
        staying.stdin.close()
        assert staying.wait(60) == 0
        staying.stdout.close()


def test_an_idle_server_sleeps(world):
    world.ssh("true")
    before, began = world.cpu_seconds(), time.monotonic()
    time.sleep(5)
    share = (world.cpu_seconds() - before) / (time.monotonic() - began)
    # Of one core; the figure is in docs/BENCH.md. This is far from a loop that polls.
    assert share < 0.3


def test_a_port_that_cannot_be_opened_is_an_error_that_says_why(tmp_path):
    done = subprocess.run([BUILD / "apps/sluiced/sluiced", "-D", "-f", "/dev/null", "-p", str(free_port()), "--listen", "127.0.0.1",
                           "--state-dir", tmp_path / "state", "-o", "port dpdk net_nonsense0", "-o", "port address 10.9.0.1/24"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "net_nonsense0" in done.stderr
