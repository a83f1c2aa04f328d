#!/usr/bin/env python3
"""Many stock clients at once: what 100 downloads together come to beside 4, and how the slowest fares; sshd in turn.

usage: bench/many_downloads.py BUILD [--clients N] [--seconds S] [--rounds N] [--suite NAME] [--mib N] [--no-peer]
All log in and begin to get a long file of tmpfs to /dev/null; when they have run for a while, what each one's sftp has read
is looked at twice, S seconds apart. So neither logins nor a client's first megabytes, for which its buffers grow, are in it.
Told are the rate of all, the slowest client's beside the mean, CPU seconds a GiB of server and clients, and switches between
threads a MiB: what a client costs more when it is one of many is no server's doing. Needs openssh-server; as root, as sshd does.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench.profile_transfer import SUITES, make_source  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, TICK, USER  # noqa: E402

FEW = 4
# All clients of one address log in at once: what is allowed to strangers is not what is measured.
MANY_LOGINS = ["ssh server rate-limit 60000", "ssh server login-limit 2000", "ssh server login-limit-source 2000"]


def bytes_read(pid):
    return int(pathlib.Path(f"/proc/{pid}/io").read_text().split()[1])


def clients_cpu(pids):
    """Of sftp and its ssh."""
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(entry) in pids or int(words[1]) in pids:
                total += int(words[11]) + int(words[12])
    return total / TICK


def switches():
    return next(int(line.split()[1]) for line in pathlib.Path("/proc/stat").read_text().splitlines() if line.startswith("ctxt"))


def log_in(server, suite, count):
    clients = [subprocess.Popen(["sftp", *server.options(), *SUITES[suite], "-q", "-P", str(server.port), "-b", "-",
                                 f"{USER}@127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
               for _ in range(count)]
    for client in clients:
        client.stdin.write(b"lpwd\n")
        client.stdin.flush()
    for client in clients:
        while b"Local working directory" not in (line := client.stdout.readline()):
            if not line:
                raise RuntimeError("a client could not log in")
    return clients


def measure(server, suite, count, path, seconds):
    """GB/s of all, slowest : mean, s/GiB of the server and of the clients, switches a MiB."""
    clients = log_in(server, suite, count)
    try:
        for client in clients:
            client.stdin.write(f"get {path} /dev/null\n".encode())
            client.stdin.flush()
        # Until each has had its first megabytes.
        deadline = time.monotonic() + 60
        while min(bytes_read(client.pid) for client in clients) < 8 << 20 and time.monotonic() < deadline:
            time.sleep(0.1)
        pids = {client.pid for client in clients}
        looks = []
        for wait in (seconds, 0):
            looks.append((time.monotonic(), [bytes_read(pid) for pid in pids], server.cpu_seconds(), clients_cpu(pids), switches()))
            time.sleep(wait)
        if any(client.poll() is not None for client in clients):
            raise RuntimeError("a client ended early: the file is too short (--mib)")
    finally:
        for client in clients:
            client.kill()
            client.wait()
    (began, first, *used), (ended, last, *used_then) = looks
    moved = [b - a for a, b in zip(first, last)]
    gib = sum(moved) / (1 << 30)
    cpu, theirs, turns = (after - before for before, after in zip(used, used_then))
    return sum(moved) / (ended - began) / 1e9, min(moved) / statistics.mean(moved), cpu / gib, theirs / gib, turns / gib / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--suite", default="aes128-gcm", choices=sorted(SUITES))
    parser.add_argument("--mib", type=int, default=4096, help="of the file: more than any client gets in that time")
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    counts = (FEW, arguments.clients)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        path = folder / "source"
        make_source(path, arguments.mib)
        servers = {"sluiced": Sluiced(arguments.build, folder / "ours", *MANY_LOGINS)}
        if not arguments.no_peer:
            servers["sshd"] = Sshd(folder / "theirs")
        rows = {which: [] for which in servers}
        for _ in range(arguments.rounds):
            for which, server in servers.items():
                with server:
                    rows[which].append([measure(server, arguments.suite, count, path, arguments.seconds) for count in counts])
        for which in servers:
            print(f"{which}, get {arguments.suite}, medians of {arguments.rounds}:")
            for i, count in enumerate(counts):
                rate, slowest, cpu, theirs, turns = (statistics.median(row[i][k] for row in rows[which]) for k in range(5))
                print(f"  {count:4} clients {rate:6.2f} GB/s, slowest : mean {slowest:5.2f}, CPU s/GiB: server {cpu:5.2f}, "
                      f"clients {theirs:5.2f}; {turns:6.1f} switches a MiB")
            ratios = [many[0] / few[0] for few, many in rows[which]]
            print(f"  {arguments.clients} : {FEW}   {statistics.median(ratios):6.2f}  ({min(ratios):.2f}..{max(ratios):.2f})",
                  flush=True)


if __name__ == "__main__":
    main()
