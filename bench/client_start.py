#!/usr/bin/env python3
"""How long `ssh host true` takes from start to exit: `sluice ssh` beside the system's ssh, taking
turns against the same sshd on loopback.

usage: bench/client_start.py BUILD [--rounds N]
Prints medians and the ratio; an sshd of its own is started for each connection.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "interop"))
import foreign_servers as foreign  # noqa: E402


def once(words, environment):
    begun = time.perf_counter()
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    taken = time.perf_counter() - begun
    assert done.returncode == 0, done.stderr.decode()
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        keys = foreign.Keys(folder)
        environment = {k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"}
        with foreign.sshd(keys, folder, pam=False) as server:
            flags = ["-F", "none", "-p", str(server.port), "-i", str(keys.user["ssh-ed25519"]), "-o", "StrictHostKeyChecking=accept-new",
                     "-o", f"UserKnownHostsFile={folder}/known", "-o", "IdentityAgent=none", "-o", "LogLevel=error", "ann@127.0.0.1", "true"]
            contenders = {"sluice": [str(options.build / "apps/sluice/sluice"), "ssh", *flags], "openssh": ["ssh", *flags]}
            # The same key exchange for both: which one is preferred is not what is measured here.
            same = {f"{name}, curve25519": words[:words.index("-F")] + ["-o", "KexAlgorithms=curve25519-sha256"] + words[words.index("-F"):]
                    for name, words in contenders.items()}
            contenders.update(same)
            times = {name: [] for name in contenders}
            for i in range(options.rounds + 3):
                for name, words in contenders.items():
                    taken = once(words, environment)
                    if i >= 3:
                        times[name].append(taken * 1000)
    result = {name: {"median_ms": round(statistics.median(values), 2), "best_ms": round(min(values), 2)} for name, values in times.items()}
    result["ratio"] = round(result["sluice"]["median_ms"] / result["openssh"]["median_ms"], 3)
    result["ratio, curve25519"] = round(result["sluice, curve25519"]["median_ms"] / result["openssh, curve25519"]["median_ms"], 3)
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
