#!/usr/bin/env python3
"""Server CPU of a whole login (curve25519, ed25519 host key, ed25519 user key, one command), ours beside sshd's, in turn.

usage: bench/handshake_vs_openssh.py BUILD [LOGINS]
Every login is a stock ssh client's. CPU is what /proc says of the server's processes, ended children included: for us the
network process and the monitor. Needs root for sshd, and openssh-server.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """Seconds of a process and of its children that were waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK


def children_of(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def login(port, key, user, count):
    for _ in range(count):
        done = subprocess.run(["ssh", "-F", "none", "-p", str(port), "-i", key, "-o", "IdentitiesOnly=yes", "-o",
                               "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                               "LogLevel=ERROR", "-o", "KexAlgorithms=curve25519-sha256", "-o",
                               "HostKeyAlgorithms=ssh-ed25519", "-o", "IdentityAgent=none", f"{user}@127.0.0.1", "true"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        if done.returncode not in (0, 1):
            sys.exit(f"login to port {port} failed: {done.stderr.decode()}")


def main():
    build, count = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for key in ("user", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        authorized = folder / "authorized_keys"
        authorized.write_text((folder / "user.pub").read_text())
        ours = subprocess.Popen([build / "tests/e2e/login_server", "bench", "pw", authorized, folder / "state"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        our_port = int(ours.stdout.readline().split()[0])
        os.makedirs("/run/sshd", exist_ok=True)
        theirs = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-p", "5598", "-h", folder / "host", "-o",
                                   f"AuthorizedKeysFile={authorized}", "-o", "StrictModes=no", "-o", "ListenAddress=127.0.0.1",
                                   "-o", f"PidFile={folder}/pid", "-o", "MaxStartups=100"])
        time.sleep(0.5)
        try:
            cpu = {"sluice": 0.0, "sshd": 0.0}
            for _ in range(4):
                for who, pids, port, user in (("sluice", [ours.pid, *children_of(ours.pid)], our_port, "bench"),
                                              ("sshd", [theirs.pid], 5598, "root")):
                    before = sum(map(cpu_of, pids))
                    login(port, folder / "user", user, count // 4)
                    time.sleep(0.3)
                    cpu[who] += sum(map(cpu_of, pids)) - before
        finally:
            ours.stdin.close()
            theirs.terminate()
            ours.wait(10), theirs.wait(10)
    per = {who: seconds / (count // 4 * 4) * 1e3 for who, seconds in cpu.items()}
    print(f"server CPU per login, {count // 4 * 4} each: sluice {per['sluice']:.3f} ms, sshd {per['sshd']:.2f} ms, "
          f"ratio {per['sshd'] / max(per['sluice'], 1e-9):.0f}")


if __name__ == "__main__":
    main()
