#!/usr/bin/env python3
"""./dev run: starts sluiced for the calling user, pushes 1 GiB through SFTP once per main suite beside the system's OpenSSH,
says how to connect, and serves until interrupted.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench.profile_transfer import SUITES  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER, free_port  # noqa: E402

MIB = 1024
PORT = 5522


def push(server, source, suite):
    """The stock client's own progress bar, where there is a terminal."""
    began = time.monotonic()
    done = subprocess.run(["scp", "-s", *server.options(), *SUITES[suite], "-P", str(server.port), source,
                           f"{USER}@127.0.0.1:/dev/null"])
    if done.returncode != 0:
        sys.exit(f"the transfer failed; the server's log: {server.log}")
    return MIB / 1024 * 1.073741824 / (time.monotonic() - began)


def measure(servers, folder):
    source = folder / "1GiB"
    with open(source, "wb") as out:
        block = os.urandom(1 << 20)
        for _ in range(MIB):
            out.write(block)
    rows = {}
    for suite in SUITES:
        for name, server in servers.items():
            print(f"1 GiB to {name} with {suite} ...", flush=True)
            rows[suite, name] = push(server, source, suite)
    source.unlink()
    return rows


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    state = build / "run"
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder = pathlib.Path(name)
        ours = Sluiced(build, state)
        with socket.socket() as probe:
            ours.port = PORT if probe.connect_ex(("127.0.0.1", PORT)) != 0 else free_port()
        servers = {"sluiced": ours}
        if pathlib.Path("/usr/sbin/sshd").exists():
            servers["sshd"] = Sshd(folder / "sshd")
        else:
            print("The system has no sshd (package openssh-server) to compare with.")
        try:
            for server in servers.values():
                server.start()
            rows = measure(servers, folder)
            print(f"\nGB/s, one connection of the system's own {shutil.which('scp')}, memory file to /dev/null, one run each:")
            print(f"{'':32} {'sluiced':>8} {'sshd':>8} {'ratio':>7}")
            for suite in SUITES:
                mine, theirs = rows[suite, "sluiced"], rows.get((suite, "sshd"))
                print(f"{suite:32} {mine:8.2f} " + (f"{theirs:8.2f} {mine / theirs:6.2f}x" if theirs else f"{'-':>8} {'-':>7}"))
            print("Medians of several rounds, get as well as put, CPU and memory: build/apps/sluice/sluice bench transfer")
            if "sshd" in servers:
                servers.pop("sshd").stop()
            print(f"\nServing {USER} on 127.0.0.1 port {ours.port}, log in {ours.log}. In another terminal:\n"
                  f"  ssh  -i {ours.key} -p {ours.port} {USER}@127.0.0.1\n"
                  f"  sftp -i {ours.key} -P {ours.port} {USER}@127.0.0.1\nCtrl-C ends it.", flush=True)
            ours.process.wait()
        except KeyboardInterrupt:
            print()
        finally:
            for server in servers.values():
                server.stop()
            ours.stop()


if __name__ == "__main__":
    main()
