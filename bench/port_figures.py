#!/usr/bin/python3
"""The packet path's figures, each beside the kernel's TCP in the same run, as tables.

usage: bench/port_figures.py BUILD [ssh|tcp|ask|idle|link ...] [--mebibytes N] [--rounds N] [--seconds N] [--rtt MS ...]
                             [--loss P ...] [--rate BYTES] [--buffer BYTES] [--at-once N]
  ssh   sluice sftp puts a file of memory into the server's /dev/null: over ports, and over the kernel's loopback
  tcp   one stream of TCP alone (port_bench), each end on a core of its own
  ask   64-byte questions and answers, 32 connections (port_bench), each end on a core of its own
  idle  CPU of a sluiced with a connection that says nothing, by driver (tap and af_packet: root)
  link  one stream through sluice-frame-link between two veth pairs; the kernel's TCP (CUBIC) through the same (root)
Without a name: all of them. Best of the rounds, in turn; ratios to the kernel's of the same run. `link`: medians; a round is
a seed of the losses, N of them at the same time, and stderr has what each brought.
"""
import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench import bad_link  # noqa: E402
from tests.support.port_world import PortWorld, available  # noqa: E402
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

PATIENCE = 120
CIPHER = "Ciphers=aes128-gcm@openssh.com"


def devices(driver, folder, number):
    """A server's port and a client's that meet."""
    if driver == "memif":
        name = f"sluice-figures-{os.getpid()}-{number}"
        return f"net_memif0,role=server,id=0,socket={name}", f"net_memif0,role=client,id=0,socket={name}"
    socket = folder / f"vhost{number}"
    more = ",tso=1" if driver == "vhost+tso" else ""
    return f"net_vhost0,iface={socket},queues=1{more}", f"net_virtio_user0,path={socket},queues=1"


def wait_for(what, where, server):
    deadline = time.monotonic() + PATIENCE
    while what not in where():
        if time.monotonic() > deadline or server.poll() is not None:
            raise RuntimeError(f"no {what!r}: {where()}")
        time.sleep(0.05)


def table(title, columns, rows):
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


# --- SSH

class SshWay:
    """A server, and a client's sftp that stays for all rounds: logins and DPDK's start are not measured."""

    def __init__(self, name, build, folder, number, driver=None, mtu=1500):
        self.name, self.program = name, build / "apps/sluice/sluice"
        lines, self.flags, self.host = [], [], "127.0.0.1"
        if driver:
            served, met = devices(driver, folder, number)
            lines = [f"port dpdk {served}", "port address 10.6.0.1/24", f"port mtu {mtu}"]
            self.flags = ["--port-dev", met, "--port-address", "10.6.0.2/24", "--port-mtu", str(mtu)]
            self.host = "10.6.0.1"
        self.server = Sluiced(build, folder / f"server{number}", "workers count 1", *lines)
        self.needs = "serving on" if driver else ""

    def __enter__(self):
        self.server.start()
        wait_for(self.needs, lambda: self.server.log.read_text(errors="replace"), self.server.process)
        words = [self.program, "sftp", *self.flags, *self.server.options(), "-o", CIPHER, "-P", self.server.port, "-b", "-",
                 f"{USER}@{self.host}"]
        self.client = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.round_trip()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.client.stdin.close()
        self.client.wait(PATIENCE)
        self.server.stop()

    def round_trip(self, before=""):
        self.client.stdin.write(before + "pwd\n")
        self.client.stdin.flush()
        while True:
            line = self.client.stdout.readline()
            if not line:
                raise RuntimeError(f"{self.name}: the connection ended: " + self.server.log.read_text(errors="replace")[-500:])
            if line.startswith("Remote working directory"):
                return

    def put(self, source):
        began = time.monotonic()
        self.round_trip(f"put {source} /dev/null\n")
        return time.monotonic() - began


def ssh(chosen, folder):
    source = folder / "source"
    piece = os.urandom(1 << 20)
    with open(source, "wb") as file:
        for _ in range(chosen.mebibytes):
            file.write(piece)
    size = chosen.mebibytes << 20
    ways = [("the kernel's loopback", None, 1500), ("memif, MTU 1500", "memif", 1500), ("memif, MTU 9000", "memif", 9000),
            ("memif, MTU 65521", "memif", 65521), ("virtio-user to vhost, MTU 1500, no TSO", "vhost", 1500),
            ("virtio-user to vhost, MTU 9000, no TSO", "vhost", 9000), ("virtio-user to vhost, MTU 1500, TSO", "vhost+tso", 1500),
            ("virtio-user to vhost, MTU 9000, TSO", "vhost+tso", 9000)]
    if chosen.only:
        ways = ways[:1] + [way for way in ways[1:] if any(word in way[0] for word in chosen.only)]
    best, kernel = {}, {}
    # Each beside the kernel's of the same minute: an idle server on the other core is no neighbour, ten are.
    for number, (name, driver, mtu) in enumerate(ways):
        if driver is None:
            continue
        with SshWay(name, chosen.build, folder, number, driver, mtu) as way, SshWay(ways[0][0], chosen.build, folder, 100 + number) as peer:
            for _ in range(chosen.rounds):
                kernel[name] = min(kernel.get(name, 1e9), peer.put(source))
                best[name] = min(best.get(name, 1e9), way.put(source))
    table(f"sluice sftp puts {chosen.mebibytes} MiB into /dev/null, aes128-gcm, one worker", ["over", "GB/s", "the kernel's loopback", "ratio"],
          [[name, f"{size / seconds / 1e9:.2f}", f"{size / kernel[name] / 1e9:.2f}", f"{kernel[name] / seconds:.2f}"]
           for name, seconds in best.items()])


# --- TCP alone

def held(core):
    """Two ends that poll must not share a core: each has its own, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return ("taskset", "-c", str(cores[core])) if len(cores) > 1 else ()


def serve(chosen, *words, inside=()):
    server = subprocess.Popen([*inside, str(chosen.build / "bench/port_bench"), "serve", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    if server.stdout.readline() != "ready\n":
        raise RuntimeError(f"port_bench serve {words} did not start")
    return server


def ask_bench(chosen, *words, inside=()):
    done = subprocess.run([*inside, str(chosen.build / "bench/port_bench"), *map(str, words)], capture_output=True, text=True,
                          timeout=chosen.seconds + PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"port_bench {words}: {done.stderr}")
    return json.loads(done.stdout)


def alone(chosen, folder, what, key, *more):
    found = {}
    ways = [("the kernel's loopback", None), ("memif", "memif"), ("virtio-user to vhost", "vhost")]
    for n in range(chosen.rounds):
        for number, (name, driver) in enumerate(ways):
            served, met = devices(driver, folder, f"{what}{n}{number}") if driver else ("kernel", "kernel")
            server = serve(chosen, served, "10.6.0.1/24", "1500", inside=held(0))
            try:
                got = ask_bench(chosen, what, met, "10.6.0.2/24", "1500", "10.6.0.1", chosen.seconds, *more,
                                inside=held(1))
            finally:
                bad_link.end(server)
            # Of a second of the asking side's CPU: who measures beside others has not all of the core.
            a_core = got[key] * got["seconds"] / max(got["cpu"], 1e-9)
            if name not in found or got[key] > found[name][0]:
                found[name] = (got[key], a_core)
    return found


def tcp(chosen, folder):
    found = alone(chosen, folder, "stream", "gbits")
    kernel = found["the kernel's loopback"]
    table("TCP alone, one stream, MTU 1500 (the kernel's loopback: 65536), Gb/s", ["over", "measured", "a core", "of the kernel's"],
          [[name, f"{rate:.1f}", f"{core:.1f}", f"{rate / kernel[0]:.2f}"] for name, (rate, core) in found.items()])


def ask(chosen, folder):
    found = alone(chosen, folder, "ask", "rounds", 32)
    kernel = found["the kernel's loopback"]
    table("64-byte questions and answers, 32 connections, round trips a second", ["over", "measured", "a core", "of the kernel's, a core"],
          [[name, f"{rate:,.0f}", f"{core:,.0f}", f"{core / kernel[1]:.2f}"] for name, (rate, core) in found.items()])


# --- idle

def cpu_of(server, seconds):
    time.sleep(2)
    before, began = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / (time.monotonic() - began) * 100


class Client:
    """A process of ours, asked as a server is."""

    def __init__(self, process):
        self.process = process

    def cpu_seconds(self):
        times = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def idle(chosen, folder):
    rows = []
    for number, driver in enumerate(("memif", "vhost")):
        way = SshWay(driver, chosen.build, folder, f"idle{number}", driver)
        with way:
            server = cpu_of(way.server, chosen.seconds)
            client = cpu_of(Client(way.client), chosen.seconds)
        rows.append([{"memif": "net_memif, server", "vhost": "net_vhost"}[driver], f"{server:.1f} %"])
        rows.append([{"memif": "net_memif, client", "vhost": "net_virtio_user"}[driver], f"{client:.1f} %"])
    if why := available():
        print(f"idle: tap and af_packet are left out: {why}")
    else:
        for kind in ("tap", "packet"):
            with PortWorld(chosen.build, folder / f"idle-{kind}", "workers count 1", kind=kind) as world:
                rows.append([{"tap": "net_tap", "packet": "net_af_packet"}[kind], f"{cpu_of(world, chosen.seconds):.1f} %"])
    table("CPU while nothing is said", ["driver", "of a core"], rows)


# --- a bad link

def link(chosen, _):
    if why := available():
        print(f"link: left out: {why}")
        return
    limit = f"{chosen.rate / 1e6:g} MB/s, buffer {chosen.buffer >> 10} KiB" if chosen.rate else "no limit of rate"
    table(f"one stream through sluice-frame-link, {limit}; MB/s, medians",
          ["round trip", "loss", "ours", "the kernel's CUBIC", "ratio", "runs"], bad_link.table_rows(chosen))


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("build")
    options.add_argument("what", nargs="*")
    options.add_argument("--mebibytes", type=int, default=2048)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--rtt", type=float, nargs="+", default=[0, 10, 100])
    options.add_argument("--loss", type=float, nargs="+", default=[0, 0.001, 0.01])
    options.add_argument("--rate", type=int, default=50_000_000)
    options.add_argument("--buffer", type=int, default=2 << 20)
    options.add_argument("--at-once", type=int, default=3)
    options.add_argument("--only", nargs="+", default=[])
    chosen = options.parse_args()
    chosen.build = pathlib.Path(chosen.build).resolve()
    parts = {"ssh": ssh, "tcp": tcp, "ask": ask, "idle": idle, "link": link}
    for name in chosen.what or parts:
        if name not in parts:
            sys.exit(f"{name} is none of {', '.join(parts)}")
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            parts[name](chosen, pathlib.Path(folder))


if __name__ == "__main__":
    main()
