#!/usr/bin/env python3
"""sluice cp beside OpenSSH's sftp and scp, in turn: throughput, CPU of both ends, many small files, a long path.

usage: bench/client_vs_openssh.py BUILD [--mib N] [--rounds N] [--suite NAME]... [--only bulk|stock|small|delay]...

bulk   one file on tmpfs to /dev/null by one connection: sluice cp with sluiced, sftp with sshd, bench/floor
stock  sluice cp with sshd, sftp with sshd
small  10,000 files of 4 KiB: sluice cp -r with sluiced, scp -r with sshd
delay  one file through a path of 100 ms (sluice-link where it was built): sluice cp with sluiced, sftp with sshd
Medians of the rounds, and the ratios round by round. CPU is that of client and server together. Needs openssh-server;
as root, as sshd does.
"""
import argparse
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

SUITES = {"aes128-gcm": ["-o", "Ciphers=aes128-gcm@openssh.com"],
          "aes256-ctr+hmac-sha2-512-etm": ["-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"],
          "chacha20-poly1305": ["-o", "Ciphers=chacha20-poly1305@openssh.com"]}


def timed(server, command, text=None):
    """Seconds, and CPU seconds of the client and the server."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, began = server.cpu_seconds(), time.monotonic()
    done = subprocess.run([str(word) for word in command], input=text, text=True, capture_output=True, timeout=900)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # A session's last work, and sshd's children, are in the account only when they have ended.
    time.sleep(0.2)
    client = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    return seconds, client + server.cpu_seconds() - cpu


class Peers:
    def __init__(self, build, ours, theirs):
        self.sluice, self.ours, self.theirs = pathlib.Path(build) / "apps/sluice/sluice", ours, theirs

    def cp(self, server, suite, source, target, *flags, port=None):
        return timed(server, [self.sluice, "cp", "-q", *server.options(), *SUITES[suite], "-P", port or server.port, *flags, source,
                              target])

    def sftp(self, suite, direction, source, target="/dev/null", port=None):
        command = ["sftp", *self.theirs.options(), *SUITES[suite], "-q", "-P", port or self.theirs.port, "-b", "-",
                   f"{USER}@127.0.0.1"]
        return timed(self.theirs, command, f"{direction} {source} {target}\n")

    def ours_moves(self, server, suite, direction, source, target="/dev/null", port=None):
        ends = (source, f"{USER}@127.0.0.1:{target}") if direction == "put" else (f"{USER}@127.0.0.1:{source}", target)
        return self.cp(server, suite, *ends, "-n", 1, port=port)


def floor_rate(build, direction, source):
    done = subprocess.run([pathlib.Path(build) / "bench/floor", direction, "--file", source, "--rounds", "1"], capture_output=True,
                          text=True, timeout=120)
    for word, unit in zip(done.stdout.split(), done.stdout.split()[1:]):
        if unit.startswith("GB/s"):
            return float(word)
    return None


def show(name, unit, ours, theirs, higher_is_better=True):
    ratios = [a / b for a, b in zip(ours, theirs)] if higher_is_better else [b / a for a, b in zip(ours, theirs)]
    print(f"{name:44} {statistics.median(ours):8.3f} {statistics.median(theirs):8.3f} {unit:6} {statistics.median(ratios):6.2f}  "
          f"({min(ratios):.2f}..{max(ratios):.2f})", flush=True)


def bulk(peers, build, server, source, gib, rounds, suites, label):
    for suite in suites:
        for direction in ("put", "get"):
            peers.ours_moves(server, suite, direction, source)
            ours, theirs, floors = [], [], []
            for _ in range(rounds):
                ours.append(peers.ours_moves(server, suite, direction, source))
                theirs.append(peers.sftp(suite, direction, source))
                if suite == "aes128-gcm" and label == "bulk" and (pathlib.Path(build) / "bench/floor").exists():
                    floors.append(floor_rate(build, direction, source))
            gb = gib * 1.073741824
            name = f"{label} {direction} {suite}"
            show(name, "GB/s", [gb / s for s, _ in ours], [gb / s for s, _ in theirs])
            ours_cpu, theirs_cpu = [c / gib for _, c in ours], [c / gib for _, c in theirs]
            print(f"{name + ' CPU, both ends':44} {statistics.median(ours_cpu):8.3f} {statistics.median(theirs_cpu):8.3f} s/GiB  "
                  f"{statistics.median(ours_cpu) / statistics.median(theirs_cpu):6.2f}", flush=True)
            if floors and all(floors):
                show(name + " : floor", "GB/s", [gb / s for s, _ in ours], floors)


def small(peers, folder, rounds):
    tree = folder / "tree"
    tree.mkdir()
    for i in range(10_000):
        (tree / f"file{i}").write_bytes(os.urandom(4096))
    for direction in ("put", "get"):
        ours, theirs = [], []
        for _ in range(rounds):
            for who in ("ours", "theirs"):
                copy = folder / "copy"
                shutil.rmtree(copy, ignore_errors=True)
                ends = (tree, f"{USER}@127.0.0.1:{copy}") if direction == "put" else (f"{USER}@127.0.0.1:{tree}", copy)
                if who == "ours":
                    ours.append(peers.cp(peers.ours, "aes128-gcm", *ends, "-r")[0])
                else:
                    theirs.append(timed(peers.theirs, ["scp", "-q", "-r", *peers.theirs.options(), *SUITES["aes128-gcm"], "-P",
                                                       peers.theirs.port, *ends])[0])
                if len(list(copy.iterdir())) != 10_000:
                    sys.exit("files are missing")
        show(f"small {direction} -r 10,000 x 4 KiB", "s", ours, theirs, higher_is_better=False)
    shutil.rmtree(tree)


def delay(peers, build, source, gib):
    from tests.support.link import Link
    gb = gib * 1.073741824
    for direction in ("put", "get"):
        with Link(build, peers.ours.port, delay=50) as link:
            ours = peers.ours_moves(peers.ours, "aes128-gcm", direction, source, port=link.port)[0]
        with Link(build, peers.theirs.port, delay=50) as link:
            theirs = peers.sftp("aes128-gcm", direction, source, port=link.port)[0]
        show(f"delay {direction} 100 ms", "GB/s", [gb / ours], [gb / theirs])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suite", action="append", choices=sorted(SUITES))
    parser.add_argument("--only", action="append", choices=["bulk", "stock", "small", "delay"])
    arguments = parser.parse_args()
    wanted = arguments.only or ["bulk", "stock", "small", "delay"]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        with open(source, "wb") as out:
            for _ in range(arguments.mib):
                out.write(os.urandom(1 << 20))
        gib = arguments.mib / 1024
        with Sluiced(arguments.build, folder / "ours") as ours, Sshd(folder / "theirs") as theirs:
            # The clients' keys are those of whichever server they speak to.
            peers = Peers(arguments.build, ours, theirs)
            print(f"{'':44} {'sluice':>8} {'OpenSSH':>8} {'':6} {'ratio':>6}  (min..max)")
            if "bulk" in wanted:
                bulk(peers, arguments.build, ours, source, gib, arguments.rounds, arguments.suite or SUITES, "bulk")
            if "stock" in wanted:
                bulk(peers, arguments.build, theirs, source, gib, arguments.rounds, arguments.suite or ["aes128-gcm"], "stock")
            if "small" in wanted:
                small(peers, folder, arguments.rounds)
            if "delay" in wanted:
                delay(peers, arguments.build, source, gib)


if __name__ == "__main__":
    main()
