#!/usr/bin/env python3
"""Bulk transfers by the stock OpenSSH client to sluiced and to sshd, in turn: throughput and the servers' CPU.

usage: bench/transfer_vs_openssh.py BUILD [--mib N] [--rounds N] [--suite NAME]...
A file on tmpfs is put to /dev/null and got to /dev/null. Medians of the rounds, and the ratios round by round. Needs
openssh-server; as root, as sshd does.
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
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

SUITES = {"aes128-gcm": ["-o", "Ciphers=aes128-gcm@openssh.com"],
          "aes256-ctr+hmac-sha2-512-etm": ["-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"],
          "chacha20-poly1305": ["-o", "Ciphers=chacha20-poly1305@openssh.com"]}


def make_source(path, mebibytes):
    with open(path, "wb") as out:
        block = os.urandom(1 << 20)
        for _ in range(mebibytes):
            out.write(block)


def transfer(server, direction, source, suite):
    command = f"put {source} /dev/null\n" if direction == "put" else f"get {source} /dev/null\n"
    cpu, began = server.cpu_seconds(), time.monotonic()
    done = subprocess.run(["sftp", *server.options(), *SUITES[suite], "-q", "-P", str(server.port), "-b", "-", f"{USER}@127.0.0.1"],
                          input=command, text=True, capture_output=True, timeout=600)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"sftp failed: {done.stdout}{done.stderr}")
    # A session's last work, and sshd's children, are in the account only when they have ended.
    time.sleep(0.3)
    return seconds, server.cpu_seconds() - cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suite", action="append", choices=sorted(SUITES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        make_source(source, arguments.mib)
        gib = arguments.mib / 1024
        with Sluiced(arguments.build, folder / "ours") as ours, Sshd(folder / "theirs") as theirs:
            print(f"{'':42} {'sluiced':>8} {'sshd':>8}  {'ratio':>6}  (min..max)")
            for suite in arguments.suite or SUITES:
                for direction in ("put", "get"):
                    rounds = []
                    for server in (ours, theirs):
                        transfer(server, direction, source, suite)
                    for _ in range(arguments.rounds):
                        rounds.append([transfer(server, direction, source, suite) for server in (ours, theirs)])
                    rate = [[gib * 1.073741824 / r[i][0] for r in rounds] for i in (0, 1)]
                    cpu = [[r[i][1] / gib for r in rounds] for i in (0, 1)]
                    for what, rows, digits in (("GB/s", rate, 2), ("server CPU s/GiB", cpu, 3)):
                        ratios = [a / b for a, b in zip(*rows)]
                        print(f"{direction + ' ' + suite + ' ' + what:42} {statistics.median(rows[0]):8.{digits}f} "
                              f"{statistics.median(rows[1]):8.{digits}f}  {statistics.median(ratios):6.2f}  "
                              f"({min(ratios):.2f}..{max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    main()
