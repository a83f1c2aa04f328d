#!/usr/bin/python3
"""sluice cp to sluiced over ports of DPDK (memif, virtio-user with vhost) and over the kernel's loopback, in turn, same file.

usage: bench/port_figures.py BUILD [--mebibytes N] [--rounds N]
Prints the best of the rounds of each way, in GB/s of file, and its ratio to the loopback of the same run. Every copy is compared.
"""
import argparse
import filecmp
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402


class Way:
    """A server and how a client reaches it."""

    def __init__(self, name, build, folder, lines, flags, host):
        self.name, self.flags, self.host = name, flags, host
        self.server = Sluiced(build, folder, "workers count 1", *lines)
        self.sluice = pathlib.Path(build) / "apps/sluice/sluice"

    def start(self):
        self.server.start()
        deadline = time.monotonic() + 120
        while "serving on" not in self.server.log.read_text(errors="replace"):
            if time.monotonic() > deadline:
                raise RuntimeError(self.server.log.read_text(errors="replace"))
            time.sleep(0.05)

    def copy(self, source, target):
        """Seconds of the copy alone, as sluice tells them."""
        done = subprocess.run([self.sluice, "cp", *self.flags, *self.server.options(), "-o", "Ciphers=aes128-gcm@openssh.com", "-n", "1",
                               "--json", "-P", str(self.server.port), source, target], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {done.stderr}")


def ways(build, folder, mtu):
    tag = f"sluice-bench-{os.getpid()}-{mtu}"
    port = ["port address 10.6.0.1/24", f"port mtu {mtu}"]

    def flags(device):
        return ["--port-dev", device, "--port-address", "10.6.0.2/24", "--port-mtu", str(mtu)]

    socket = folder / f"vhost-{mtu}"
    return [
        Way(f"memif, MTU {mtu}", build, folder / f"memif{mtu}", [f"port dpdk net_memif0,role=server,id=0,socket={tag}", *port],
            flags(f"net_memif0,role=client,id=0,socket={tag}"), "10.6.0.1"),
        Way(f"vhost, MTU {mtu}", build, folder / f"vh{mtu}", [f"port dpdk net_vhost0,iface={socket},queues=1", *port],
            flags(f"net_virtio_user0,path={socket},queues=1"), "10.6.0.1"),
    ]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--mebibytes", type=int, default=1024)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    build = pathlib.Path(chosen.build).resolve()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        piece = os.urandom(1 << 20)
        with open(source, "wb") as file:
            for _ in range(chosen.mebibytes):
                file.write(piece)
        size = source.stat().st_size
        all_ways = [Way("loopback", build, folder / "loopback", [], [], "127.0.0.1"), *ways(build, folder, 1500), *ways(build, folder, 9000)]
        best = {}
        try:
            for way in all_ways:
                way.start()
            for _ in range(chosen.rounds):
                for way in all_ways:
                    target = folder / "target"
                    target.unlink(missing_ok=True)
                    began = time.monotonic()
                    way.copy(source, f"{USER}@{way.host}:{target}")
                    seconds = time.monotonic() - began
                    if not filecmp.cmp(source, target, shallow=False):
                        raise RuntimeError(f"{way.name}: the copy differs")
                    best[way.name] = min(best.get(way.name, seconds), seconds)
        finally:
            for way in all_ways:
                way.server.stop()
        for name, seconds in best.items():
            print(f"put/{name}: {size / seconds / 1e9:.2f} GB/s, {best['loopback'] / seconds:.2f} x loopback (login included)")


if __name__ == "__main__":
    main()
