"""One stream through sluice-frame-link between two veth pairs, ours or the kernel's: what port_figures.py's `link` compares.

Every run has namespaces and a link tool of its own, so that runs with several seeds can go at the same time.
"""
import contextlib
import json
import pathlib
import signal
import statistics
import subprocess
import sys

from tests.support.port_world import Namespace

PATIENCE = 120
NETWORK = "10.8.0."

RECEIVER = """
import socket, sys, time
listener = socket.create_server(("10.8.0.1", 7001))
print("ready", flush=True)
connection, _ = listener.accept()
view = bytearray(1 << 20)
began, count, counted_from = time.monotonic(), 0, None
while True:
    n = connection.recv_into(view)
    now = time.monotonic()
    if counted_from is None and now - began > 0.3: counted_from, count = now, -n
    count += n
    if n == 0 or now - began > float(sys.argv[1]) + 0.3: break
print(count / (time.monotonic() - counted_from), flush=True)
"""
SENDER = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
s.settimeout(60)
s.connect(("10.8.0.1", 7001))
piece = bytes(1 << 18)
try:
    while True: s.sendall(piece)
except OSError: pass
"""


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class VethLink:
    """Two ends in namespaces of their own, and between them a third where the link tool runs."""

    def __enter__(self):
        self.middle, self.far = Namespace(), (Namespace(), Namespace())
        for n, space in enumerate(self.far):
            self.middle.plain_veth(f"near{n}", f"far{n}")
            self.middle.ip("link", "set", f"far{n}", "netns", space.name)
            space.ip("link", "set", f"far{n}", "up")
        return self

    def __exit__(self, *_):
        for space in (self.middle, *self.far):
            space.close()


def packet_port(interface, number=0):
    return f"net_af_packet{number},iface={interface},framecnt=4096,blocksz=1048576,framesz=2048"


class FrameLink:
    def __init__(self, build, middle, rtt, loss, seed, rate, buffer):
        ports = [word for n in range(2) for word in ("--port", packet_port(f"near{n}", n))]
        shape = ["--delay", rtt / 2, "--loss", loss, "--seed", seed] + (["--rate", rate, "--buffer", buffer] if rate else [])
        # The wire does not wait for a core: neither end is to be measured by how the other leaves it one.
        self.words = middle.words("chrt", "-f", "1", build / "tests/link/sluice-frame-link", *ports, *shape)

    def __enter__(self):
        self.tool = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.tool.stdout.readline() != "ready\n":
            raise RuntimeError(f"sluice-frame-link did not start: {self.tool.communicate()[1]}")
        return self

    def __exit__(self, *_):
        self.tool.send_signal(signal.SIGTERM)
        said = self.tool.communicate(timeout=60)[1]
        self.counts = "; ".join(line for line in said.splitlines() if line.startswith(("up:", "down:")))


class Kernel:
    """Linux's TCP at both ends, CUBIC, with windows as large as ours may become."""

    def __init__(self, build, ends, seconds):
        self.ends, self.seconds = ends, seconds

    def __enter__(self):
        for n, space in enumerate(self.ends):
            space.ip("addr", "add", f"{NETWORK}{n + 1}/24", "dev", f"far{n}")
            space.run("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 67108864", "net.ipv4.tcp_wmem=4096 16384 67108864")
        self.receiver = subprocess.Popen(self.ends[0].words("/usr/bin/python3", "-c", RECEIVER, self.seconds), stdout=subprocess.PIPE, text=True)
        self.receiver.stdout.readline()
        return self

    def go(self):
        self.sender = subprocess.Popen(self.ends[1].words("/usr/bin/python3", "-c", SENDER))

    def rate(self):
        try:
            return float(self.receiver.stdout.readline()), ""
        finally:
            self.sender.kill()
            self.sender.wait()

    def __exit__(self, *_):
        self.receiver.kill()
        self.receiver.wait()


class Ours:
    """port_bench at both ends, over af_packet."""

    def __init__(self, build, ends, seconds):
        self.program, self.ends, self.seconds = build / "bench/port_bench", ends, seconds

    def words(self, n, what, *more):
        return self.ends[n].words(self.program, what, packet_port(f"far{n}"), f"{NETWORK}{n + 1}/24", 1500, *more)

    def __enter__(self):
        self.server = subprocess.Popen(self.words(0, "serve"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.server.stdout.readline() != "ready\n":
            raise RuntimeError("port_bench serve did not start")
        return self

    def go(self):
        self.asker = subprocess.Popen(self.words(1, "stream", f"{NETWORK}1", self.seconds), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)

    def rate(self):
        out, err = self.asker.communicate(timeout=self.seconds + PATIENCE)
        if self.asker.returncode != 0:
            raise RuntimeError(f"port_bench stream: {err}")
        return json.loads(out)["gbits"] * 1e9 / 8, err.splitlines()[-1]

    def __exit__(self, *_):
        end(self.server)


def run(way, chosen, rtt, loss, seeds, seconds):
    """Bytes a second of each seed, all at the same time."""
    with contextlib.ExitStack() as stack:
        links, runs = [], []
        for seed in seeds:
            ends = stack.enter_context(VethLink())
            links.append(stack.enter_context(FrameLink(chosen.build, ends.middle, rtt, loss, seed, chosen.rate, chosen.buffer)))
            runs.append(stack.enter_context(way(chosen.build, ends.far, seconds)))
        for each in runs:
            each.go()
        found = [each.rate() for each in runs]
    for link, seed, (rate, facts) in zip(links, seeds, found):
        print(f"{way.__name__} {rtt:g} ms {loss * 100:g} % seed {seed}: {rate / 1e6:.2f} MB/s {facts}; {link.counts}", file=sys.stderr)
    return [rate for rate, _ in found]


def cell(chosen, rtt, loss):
    """Medians: ours, the kernel's."""
    # Long enough for many losses, and for the beginning to be a small part.
    seconds = max(chosen.seconds, min(rtt * 0.8, 20))
    at_once = chosen.at_once if loss > 0 and rtt > 0 else 1
    rates = {Kernel: [], Ours: []}
    seeds = list(range(1, chosen.rounds + 1))
    for first in range(0, len(seeds), at_once):
        for way, found in rates.items():
            found += run(way, chosen, rtt, loss, seeds[first:first + at_once], seconds)
    return statistics.median(rates[Ours]), statistics.median(rates[Kernel]), seconds


def table_rows(chosen):
    rows = []
    for rtt in chosen.rtt:
        for loss in chosen.loss:
            mine, theirs, seconds = cell(chosen, rtt, loss)
            rows.append([f"{rtt:g} ms", f"{loss * 100:g} %", f"{mine / 1e6:.2f}", f"{theirs / 1e6:.2f}", f"{mine / theirs:.2f}",
                         f"{chosen.rounds} x {seconds:g} s"])
    return rows
