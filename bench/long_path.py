#!/usr/bin/env python3
"""One file through long paths: sluice sftp, sluice cp and TCP alone, each through a relay of the same settings.

usage: bench/long_path.py BUILD [--mib N] [--rounds N] [--rate BYTES|none] [--delay MS,...] [--loss PROBABILITY]
                          [--only WORD] [--openssh]

A path is sluice-link with RATE bytes a second for each connection and DELAY ms each way, whose buffer holds what is under way
twice. Without --delay and --loss: 50, 100 and 200 ms, and 50 and 100 ms with a loss of 0.00002, which hits a segment of 1448
bytes in 72 MB. TCP alone is one connection that carries as many bytes, up or down, until a byte about their end is back. A
transfer by sftp is timed from its line to the next one's, one by cp from the event "begin" to the program's end: with opening,
closing and renaming, not the login before it. cp has one connection (-n 1), as TCP has. Medians of the rounds, each of which
has losses by another seed; a table at the end.
"""
import argparse
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.link import Link  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

PATHS = [{"delay": "50"}, {"delay": "100"}, {"delay": "200"}, {"delay": "50", "loss": "0.00002"}, {"delay": "100", "loss": "0.00002"}]
BLOCK = bytes(1 << 20)
ORDER = 32


class TcpPeer:
    """Told a number of bytes to expect, answers their end with one; told one to send, sends it."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        buffer = bytearray(1 << 20)
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                way, size = connection.recv(ORDER, socket.MSG_WAITALL).split()
                if way == b"get":
                    for _ in range(int(size) // len(BLOCK)):
                        connection.sendall(BLOCK)
                    continue
                left = int(size)
                while left > 0:
                    left -= connection.recv_into(buffer)
                connection.sendall(b"!")

    def __exit__(self, *_):
        self.listener.close()


def by_tcp(build, size, direction, path):
    buffer = bytearray(1 << 20)
    with TcpPeer() as peer, Link(build, peer.port, **path) as link, socket.create_connection(("127.0.0.1", link.port)) as client:
        began = time.monotonic()
        client.sendall(f"{direction} {size}".encode().ljust(ORDER))
        if direction == "put":
            for _ in range(size // len(BLOCK)):
                client.sendall(BLOCK)
            client.recv(1)
        else:
            while size > 0:
                size -= client.recv_into(buffer)
        return time.monotonic() - began


def by_sftp(build, program, server, direction, source, path):
    """From the first answer to the end of the file: the login and the start are not in it."""
    with Link(build, server.port, **path) as link:
        command = [*program, *server.options(), "-q", "-P", str(link.port), "-b", "-", f"{USER}@127.0.0.1"]
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(f"pwd\n!echo ready\n{direction} {source} /dev/null\n!echo done\n".encode())
        process.stdin.close()
        moments = {}
        for line in process.stdout:
            moments.setdefault(line.strip().decode(), time.monotonic())
        if process.wait(600) != 0:
            sys.exit(f"{command}: {process.stderr.read().decode()}")
        return moments["done"] - moments["ready"]


def by_cp(build, server, direction, source, path):
    """From the first file's begin to the end of the program."""
    target = source.with_name("copy")
    target.unlink(missing_ok=True)
    with Link(build, server.port, **path) as link:
        there = f"{USER}@127.0.0.1:"
        words = [source, f"{there}{target}"] if direction == "put" else [f"{there}{source}", target]
        command = [pathlib.Path(build) / "apps/sluice/sluice", "cp", *server.options(), "-n", "1", "--json", "-P", str(link.port), *words]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        began = None
        for line in process.stdout:
            if began is None and json.loads(line)["event"] == "begin":
                began = time.monotonic()
        if process.wait(600) != 0:
            sys.exit(f"{command}: {process.stderr.read().decode()}")
        return time.monotonic() - began


def measure_path(build, arguments, path, servers, source, size):
    sluice = [pathlib.Path(build) / "apps/sluice/sluice", "sftp"]
    rows = {}
    for way in ("put", "get"):
        rows[f"TCP alone {way}"] = lambda p, d=way: by_tcp(build, size, d, p)
        rows[f"sluice sftp {way}"] = lambda p, d=way: by_sftp(build, sluice, servers["ours"], d, source, p)
        rows[f"sluice cp {way}"] = lambda p, d=way: by_cp(build, servers["ours"], d, source, p)
        if arguments.openssh:
            rows[f"OpenSSH sftp {way}"] = lambda p, d=way: by_sftp(build, ["sftp"], servers["theirs"], d, source, p)
    named = " ".join(f"{key} {value}" for key, value in path.items())
    print(named, flush=True)
    figures, lines = {}, []
    for what, measure in rows.items():
        program, way = what.rsplit(" ", 1)
        if arguments.only not in what and program != "TCP alone":
            continue
        rounds = [size / measure({**path, "seed": round_ + 1}) / 1e6 for round_ in range(arguments.rounds)]
        figures[what] = rate = statistics.median(rounds)
        ratio = rate / figures[f"TCP alone {way}"]
        print(f"  {what:18} {rate:8.1f} MB/s  {ratio:5.2f} of TCP alone", flush=True)
        if program != "TCP alone":
            lines.append(f"| {named} | {what} | {rate:.1f} | {figures[f'TCP alone {way}']:.1f} | {ratio:.2f} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rate", default="64M")
    parser.add_argument("--delay", help="ms each way, one path for each")
    parser.add_argument("--loss", help="of a segment")
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--openssh", action="store_true", help="beside OpenSSH's sftp with sshd")
    arguments = parser.parse_args()
    size = arguments.mib << 20
    paths = PATHS
    if arguments.delay or arguments.loss:
        paths = [{"delay": delay, **({"loss": arguments.loss} if arguments.loss else {})} for delay in (arguments.delay or "50,100,200").split(",")]
    common = {} if arguments.rate == "none" else {"rate": arguments.rate}
    table = ["| path | transfer | MB/s | TCP alone | ratio |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        with open(source, "wb") as out:
            out.truncate(size)
        with Sluiced(arguments.build, folder / "ours") as ours, Sshd(folder / "theirs") as theirs:
            for path in paths:
                table += measure_path(arguments.build, arguments, {**path, **common}, {"ours": ours, "theirs": theirs}, source, size)
    print("\n".join(["", *table]))


if __name__ == "__main__":
    main()
