#!/usr/bin/env python3
"""One file through a long path, by sluice sftp and by TCP alone through the same relay: sluice-link with delay, rate and loss.

usage: bench/long_path.py BUILD [--mib N] [--rounds N] [--rate BYTES|none] [--delay MS,...] [--loss PROBABILITY] [--openssh]

TCP alone is one connection that sends as many bytes to a process that counts them, and has its answer, through a link of the
same settings: a path of RATE bytes a second with DELAY ms each way, whose buffer holds what is under way twice. A loss hits
a segment of 1448 bytes. The transfer is timed, with opening and closing the file, not the login before it. Medians of the
rounds.
"""
import argparse
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


class Sink:
    """Counts what a connection brings, and answers its end with a byte."""

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
                while connection.recv_into(buffer):
                    pass
                connection.sendall(b"!")

    def __exit__(self, *_):
        self.listener.close()


def by_tcp(build, size, path):
    block = bytes(1 << 20)
    with Sink() as sink, Link(build, sink.port, **path) as link, socket.create_connection(("127.0.0.1", link.port)) as client:
        began = time.monotonic()
        for _ in range(size // len(block)):
            client.sendall(block)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", default="64M")
    parser.add_argument("--delay", default="50,100,200", help="ms each way, one path for each")
    parser.add_argument("--loss", help="of a segment; 0.00002 is one in 70 MB")
    parser.add_argument("--openssh", action="store_true", help="beside OpenSSH's sftp with sshd")
    arguments = parser.parse_args()
    size = arguments.mib << 20
    common = {} if arguments.rate == "none" else {"rate": arguments.rate}
    if arguments.loss:
        common.update(loss=arguments.loss, seed=1)
    paths = [{"delay": delay, **common} for delay in arguments.delay.split(",")]
    sluice = [pathlib.Path(arguments.build) / "apps/sluice/sluice", "sftp"]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        with open(source, "wb") as out:
            out.truncate(size)
        with Sluiced(arguments.build, folder / "ours") as ours, Sshd(folder / "theirs") as theirs:
            for path in paths:
                rows = {"TCP alone": lambda: by_tcp(arguments.build, size, path)}
                for direction in ("put", "get"):
                    rows[f"sluice sftp {direction}"] = lambda d=direction: by_sftp(arguments.build, sluice, ours, d, source, path)
                    if arguments.openssh:
                        rows[f"OpenSSH sftp {direction}"] = lambda d=direction: by_sftp(arguments.build, ["sftp"], theirs, d, source, path)
                print(" ".join(f"{key} {value}" for key, value in path.items()), flush=True)
                alone = None
                for what, measure in rows.items():
                    rate = statistics.median(size / measure() / 1e6 for _ in range(arguments.rounds))
                    alone = alone or rate
                    print(f"  {what:18} {rate:8.1f} MB/s  {rate / alone:5.2f} of TCP alone", flush=True)


if __name__ == "__main__":
    main()
