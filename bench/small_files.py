#!/usr/bin/env python3
"""A folder of many small files by the stock clients, to sluiced and to sshd in turn: sftp -r and scp -r, put and get.

usage: bench/small_files.py BUILD [--files N] [--bytes N] [--rounds N] [--program NAME]...
Both ends are folders of tmpfs. What arrived is compared with what was sent in the first round. Medians of the rounds.
Needs openssh-server; as root, as sshd does.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

PROGRAMS = ["sftp", "scp", "scp -O"]
SUITE = ["-o", "Ciphers=aes128-gcm@openssh.com"]


def make_tree(folder, files, size):
    folder.mkdir()
    for i in range(files):
        (folder / f"file-{i:05}").write_bytes(os.urandom(size))


def same(one, other):
    names = sorted(os.listdir(one))
    return names == sorted(os.listdir(other)) and all((one / n).read_bytes() == (other / n).read_bytes() for n in names)


def run(program, server, direction, source, target):
    common = [*server.options(), *SUITE, "-q", "-P", str(server.port)]
    if program == "sftp":
        # sftp wants the folder that a folder is put into to be there.
        words = ["sftp", *common, "-b", "-", f"{USER}@127.0.0.1"]
        commands = f"{direction} -r {source} {target}\n"
    else:
        there = f"{USER}@127.0.0.1:"
        ends = [str(source), there + str(target)] if direction == "put" else [there + str(source), str(target)]
        words, commands = [*program.split(), "-r", *common, *ends], ""
    cpu, began = server.cpu_seconds(), time.monotonic()
    done = subprocess.run(words, input=commands, text=True, capture_output=True, timeout=600)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"{program} failed: {done.stdout}{done.stderr}")
    # sshd's children are in the account only when they have ended.
    time.sleep(0.3)
    return seconds, server.cpu_seconds() - cpu


def measure(program, server, direction, source, folder, check):
    target = folder / "target"
    result = run(program, server, direction, source, target)
    if check and not same(source, target):
        sys.exit(f"{program} {direction}: what arrived is not what was sent")
    shutil.rmtree(target)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--bytes", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        make_tree(source, arguments.files, arguments.bytes)
        with Sluiced(arguments.build, folder / "ours") as ours, Sshd(folder / "theirs") as theirs:
            print(f"{'seconds and server CPU seconds':42} {'sluiced':>8} {'sshd':>8}  {'ratio':>6}  (min..max)")
            for program in arguments.program or PROGRAMS:
                for direction in ("put", "get"):
                    rounds = [[measure(program, server, direction, source, folder, i == 0) for server in (ours, theirs)]
                              for i in range(arguments.rounds)]
                    for k, what in ((0, "time, sshd : sluiced"), (1, "server CPU, sluiced : sshd")):
                        rows = [[server[k] for server in row] for row in rounds]
                        ratios = [(b / a if k == 0 else a / b) for a, b in rows]
                        print(f"{program + ' -r ' + direction + ', ' + what:42} {statistics.median(r[0] for r in rows):8.2f} "
                              f"{statistics.median(r[1] for r in rows):8.2f}  {statistics.median(ratios):6.2f}  "
                              f"({min(ratios):.2f}..{max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    main()
