#!/usr/bin/env python3
"""Measures the control plane's figures and prints each beside what is asked of it. Exit 1 when one is short.

usage: bench/check_control_figures.py BUILD [--long]
Rekeying and the CPU of a login by the benches of BUILD; with --long also the rekey storm of 1,000 sessions for 60 s and,
where sshd is installed, the ratio to sshd. Quiet machine: what else runs on it is in every figure.
"""
import os
import pathlib
import re
import subprocess
import sys

SSHD_RATIO = 40


def run(label, command, environment=None):
    print(f"--- {label}", flush=True)
    done = subprocess.run(command, env=dict(os.environ, **(environment or {})), capture_output=True, text=True)
    print("\n".join(line for line in done.stdout.splitlines() if not line.startswith("round ")), flush=True)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
    return done


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    short = []
    login_server = build / "tests/e2e/login_server"
    sluice = build / "apps/sluice/sluice"
    if run("rekeying", [build / "bench/rekey_bench"]).returncode != 0:
        short.append("rekeying")
    if run("a login", [build / "bench/handshake_bench", login_server]).returncode != 0:
        short.append("a login")
    if "--long" in sys.argv[2:]:
        if run("rekey storm, 1,000 sessions", [build / "tests/sim/rekey_storm_test"], {"SLUICE_TEST_FULL": "1"}).returncode != 0:
            short.append("rekey storm")
        if os.path.exists("/usr/sbin/sshd"):
            done = run("a login beside sshd's", [sluice, "bench", "sessions", "--kex", "curve25519-sha256", "--active", "0", "--quiet"])
            cpu = {who: float(ms) for who, ms in re.findall(r"logins (\S+)\s+server CPU\s+(\S+)", done.stdout)}
            ratio = cpu["sshd"] / cpu["sluiced"] if len(cpu) == 2 else 0
            print(f"server CPU of a login, sshd : sluiced: {ratio:.0f}, asked at least {SSHD_RATIO}")
            if ratio < SSHD_RATIO:
                short.append("a login beside sshd's")
        else:
            print("--- a login beside sshd's: left out, needs openssh-server")
    print("short: " + ", ".join(short) if short else "all reached")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
