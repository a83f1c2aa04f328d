#!/usr/bin/env python3
"""./dev run: starts sluiced for the calling user, pushes 1 GiB through SFTP once per main suite beside the system's OpenSSH,
says how to connect, and serves until interrupted.
"""
import argparse
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench.profile_transfer import SUITES  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER, free_port  # noqa: E402

PORT = 5522
MIB = 1 << 20
UNITS = {"": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}


def size_of(text):
    """16M, 1G; at least a mebibyte, of which the file is made."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not number.isdigit() or unit not in UNITS or int(number) * UNITS[unit] < MIB:
        raise argparse.ArgumentTypeError(f"{text} is no size from 1M on, such as 16M or 1G")
    return int(number) * UNITS[unit] // MIB * MIB


def shown(size):
    return f"{size >> 30} GiB" if size % (1 << 30) == 0 else f"{size >> 20} MiB"


def push(server, source, suite):
    """The stock client's own progress bar, where there is a terminal."""
    began = time.monotonic()
    done = subprocess.run(["scp", "-s", *server.options(), *SUITES[suite], "-P", str(server.port), source,
                           f"{USER}@127.0.0.1:/dev/null"])
    if done.returncode != 0:
        sys.exit(f"the transfer failed; the server's log: {server.log}")
    return os.stat(source).st_size / 1e9 / (time.monotonic() - began)


def measure(servers, folder, size):
    source = folder / shown(size).replace(" ", "")
    with open(source, "wb") as out:
        block = os.urandom(MIB)
        for _ in range(size // MIB):
            out.write(block)
    rows = {}
    for suite in SUITES:
        for name, server in servers.items():
            print(f"{shown(size)} to {name} with {suite} ...", flush=True)
            rows[suite, name] = push(server, source, suite)
    source.unlink()
    return rows


def interrupt(*_):
    raise KeyboardInterrupt


def words():
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=size_of, default=1 << 30, help="of the file that is pushed: 16M, 1G (default: 1G)")
    parser.add_argument("--once", action="store_true", help="ends after the table instead of serving on")
    parser.add_argument("--state", type=pathlib.Path, help="where the server's keys and its log are (default: run in the build's folder)")
    return parser.parse_args()


def show(rows, build):
    print(f"\nGB/s, one connection of the system's own {shutil.which('scp')}, memory file to /dev/null, one run each:")
    print(f"{'':32} {'sluiced':>8} {'sshd':>8} {'ratio':>7}")
    for suite in SUITES:
        mine, theirs = rows[suite, "sluiced"], rows.get((suite, "sshd"))
        print(f"{suite:32} {mine:8.2f} " + (f"{theirs:8.2f} {mine / theirs:6.2f}x" if theirs else f"{'-':>8} {'-':>7}"))
    print(f"Medians of several rounds, get as well as put, CPU and memory: {os.path.relpath(build)}/apps/sluice/sluice bench transfer",
          flush=True)


def serve(ours):
    print(f"\nServing {USER} on 127.0.0.1 port {ours.port}, log in {ours.log}. In another terminal:\n"
          f"  ssh  -i {ours.key} -p {ours.port} {USER}@127.0.0.1\n"
          f"  sftp -i {ours.key} -P {ours.port} {USER}@127.0.0.1\nCtrl-C ends it.", flush=True)
    status = ours.process.wait()
    sys.exit(f"the server has ended, with status {status}; its log: {ours.log}")


def main():
    options = words()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    build = options.build.resolve()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"sluice-run-{os.getpid()}-", dir=memory) as name:
        ours = Sluiced(build, options.state or build / "run")
        with socket.socket() as probe:
            ours.port = PORT if probe.connect_ex(("127.0.0.1", PORT)) != 0 else free_port()
        servers = {"sluiced": ours}
        if pathlib.Path("/usr/sbin/sshd").exists():
            servers["sshd"] = Sshd(pathlib.Path(name) / "sshd")
        else:
            print("The system has no sshd (package openssh-server) to compare with.")
        try:
            for server in servers.values():
                server.start()
            show(measure(servers, pathlib.Path(name), options.size), build)
            if options.once:
                return
            if "sshd" in servers:
                servers["sshd"].stop()
            serve(ours)
        except KeyboardInterrupt:
            print()
        finally:
            # Whoever is impatient leaves nothing behind either.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            for server in servers.values():
                server.stop()


if __name__ == "__main__":
    main()
