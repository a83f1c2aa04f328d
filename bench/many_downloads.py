#!/usr/bin/env python3
"""Many stock clients at once: what 100 downloads together come to beside 4, and how the slowest fares.

usage: bench/many_downloads.py BUILD [--clients N] [--mib TOTAL] [--rounds N] [--suite NAME] [--peer]
Every client logs in and waits; then all get a file of tmpfs to /dev/null at once. Few and many move the same number of
bytes in all. With --peer sshd is asked for the same. Needs openssh-server; as root, as sshd does.
"""
import argparse
import pathlib
import selectors
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench.transfer_vs_openssh import SUITES, make_source  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

FEW = 4
PATIENCE = 120  # seconds, for all of them to log in, and for all to end
SIGN = b"Local working directory"
# All clients of one address log in at once: what is allowed to strangers is not what is measured.
MANY_LOGINS = ["ssh server rate-limit 60000", "ssh server login-limit 2000", "ssh server login-limit-source 2000"]


class Crowd:
    """Clients whose commands come through a pipe; each says a known line when it has done what came before."""

    def __init__(self, server, suite, count):
        self.clients = []
        self.texts = {}
        self.commands = 0
        self.waiting = selectors.DefaultSelector()
        for _ in range(count):
            client = subprocess.Popen(["sftp", *server.options(), *SUITES[suite], "-q", "-P", str(server.port), "-b", "-",
                                       f"{USER}@127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
            self.clients.append(client)
            self.texts[client] = b""

    def all_do(self, command):
        """Seconds until each had done it, in the order in which they ended."""
        began = time.monotonic()
        self.commands += 1
        for client in self.clients:
            self.waiting.register(client.stdout, selectors.EVENT_READ, client)
            client.stdin.write(command.encode() + b"\nlpwd\n")
            client.stdin.flush()
        ended = []
        while len(ended) < len(self.clients):
            ready = self.waiting.select(timeout=PATIENCE)
            now = time.monotonic()
            if not ready or now - began > PATIENCE:
                raise RuntimeError(f"{len(self.clients) - len(ended)} of {len(self.clients)} clients did not end")
            for key, _ in ready:
                piece = key.fileobj.read1(65536)
                self.texts[key.data] += piece
                if not piece:
                    raise RuntimeError(f"a client ended: {self.texts[key.data].decode()}")
                if self.texts[key.data].count(SIGN) == self.commands:
                    self.waiting.unregister(key.fileobj)
                    ended.append(now - began)
        return ended

    def end(self):
        for client in self.clients:
            client.stdin.close()
        for client in self.clients:
            client.wait(PATIENCE)
            client.stdout.close()


def measure(server, suite, count, path, size):
    """GB/s of all together, and the slowest client's rate beside the mean."""
    crowd = Crowd(server, suite, count)
    try:
        crowd.all_do("version")
        cpu = server.cpu_seconds()
        ended = crowd.all_do(f"get {path} /dev/null")
        cpu = server.cpu_seconds() - cpu
    finally:
        crowd.end()
    rates = [size / seconds for seconds in ended]
    return count * size / max(ended) / 1e9, min(rates) / statistics.mean(rates), cpu * (1 << 30) / (count * size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--mib", type=int, default=3200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--suite", default="aes128-gcm", choices=sorted(SUITES))
    parser.add_argument("--peer", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        paths = {}
        for count in (FEW, arguments.clients):
            paths[count] = folder / f"for-{count}"
            make_source(paths[count], arguments.mib // count)
        servers = {"sluiced": Sluiced(arguments.build, folder / "ours", *MANY_LOGINS)}
        if arguments.peer:
            servers["sshd"] = Sshd(folder / "theirs")
        for which, server in servers.items():
            with server:
                rows = [[measure(server, arguments.suite, count, paths[count], (arguments.mib // count) << 20)
                         for count in paths] for _ in range(arguments.rounds)]
            print(f"{which}, get {arguments.suite}, medians of {arguments.rounds}:")
            for i, count in enumerate(paths):
                rate, slowest, cpu = (statistics.median(row[i][k] for row in rows) for k in range(3))
                print(f"  {count:4} clients {rate:6.2f} GB/s, slowest : mean {slowest:5.2f}, server CPU s/GiB {cpu:5.2f}")
            ratios = [many[0] / few[0] for few, many in rows]
            print(f"  {arguments.clients} : {FEW}   {statistics.median(ratios):6.2f}  ({min(ratios):.2f}..{max(ratios):.2f})",
                  flush=True)


if __name__ == "__main__":
    main()
