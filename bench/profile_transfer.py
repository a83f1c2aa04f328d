#!/usr/bin/env python3
"""Where the time of a bulk transfer goes, of both sides: perf over the whole machine while an sftp puts and gets.

usage: bench/profile_transfer.py BUILD [--client sftp|sluice-sftp] [--mib N] [--suite NAME]
Prints core seconds a GiB by program and what it runs in: the kernel, a library, itself. Needs perf; as root.
"""
import argparse
import collections
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.ssh_servers import Sluiced, USER, family_of  # noqa: E402

SUITES = {"aes128-gcm": ["-o", "Ciphers=aes128-gcm@openssh.com"],
          "aes256-ctr+hmac-sha2-512-etm": ["-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha2-512-etm@openssh.com"],
          "chacha20-poly1305": ["-o", "Ciphers=chacha20-poly1305@openssh.com"]}


def make_source(path, mebibytes):
    with open(path, "wb") as out:
        block = os.urandom(1 << 20)
        for _ in range(mebibytes):
            out.write(block)


def transfer(client, server, direction, source, suite):
    command = f"put {source} /dev/null\n" if direction == "put" else f"get {source} /dev/null\n"
    began = time.monotonic()
    done = subprocess.run([*client, *server.options(), *SUITES[suite], "-q", "-P", str(server.port), "-b", "-", f"{USER}@127.0.0.1"],
                          input=command, text=True, capture_output=True, timeout=600)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"sftp failed: {done.stdout}{done.stderr}")
    return seconds


HERTZ = 1999
PROGRAMS = ["sluiced-net", "sluiced", "sluiced-user", "sluice", "ssh", "sftp", "swapper"]


def names_of(server):
    """By process: its threads have names of their own."""
    return {pid: pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in family_of(server.process.pid)}


def samples(data, names):
    """Samples by program and the object that it ran in."""
    report = subprocess.run(["perf", "script", "-i", data, "-F", "comm,pid,ip,dso", "-G"], capture_output=True, text=True, check=True)
    counts = collections.Counter()
    for line in report.stdout.splitlines():
        # A comm may have blanks; the number of its process is behind it.
        found = re.match(r"\s*(.+?)\s+(-?\d+)\s+[0-9a-f]+\s+.*\((.*)\)$", line)
        if not found:
            continue
        program, where = names.get(int(found[2]), found[1]), found[3].rsplit("/", 1)[-1]
        counts[program, "kernel" if "kernel" in where or where.startswith("[") and "vdso" not in where else where] += 1
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--client", choices=["sftp", "sluice-sftp"], default="sftp")
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--suite", default="aes128-gcm", choices=sorted(SUITES))
    arguments = parser.parse_args()
    client = ["sftp"] if arguments.client == "sftp" else [pathlib.Path(arguments.build) / "apps/sluice/sluice", "sftp"]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        make_source(folder / "source", arguments.mib)
        with Sluiced(arguments.build, folder / "ours") as server:
            transfer(client, server, "put", folder / "source", arguments.suite)
            for direction in ("put", "get"):
                data = folder / "perf.data"
                recorder = subprocess.Popen(["perf", "record", "-q", "-a", "-F", str(HERTZ), "-o", data],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(0.5)
                seconds = transfer(client, server, direction, folder / "source", arguments.suite)
                recorder.send_signal(signal.SIGINT)
                recorder.wait()
                names = names_of(server)
                gib = arguments.mib / 1024
                print(f"\n{arguments.client} {direction} {arguments.suite}, {gib * 1.073741824 / seconds:.2f} GB/s, core seconds a GiB:")
                for (program, where), count in samples(data, names).most_common(24):
                    if program in PROGRAMS:
                        print(f"  {program:12} {where:28} {count / HERTZ / gib:6.3f}", flush=True)


if __name__ == "__main__":
    main()
