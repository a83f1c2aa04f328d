#!/usr/bin/env python3
"""Measures the record layer's figures and prints each beside what is asked of it. Exit 1 when one is short.

usage: bench/check_figures.py build/bench/record_bench
"""
import json
import subprocess
import sys

ETM256, ETM512 = "aes256-ctr+hmac-sha2-256-etm", "aes256-ctr+hmac-sha2-512-etm"
CHACHA = "chacha20-poly1305"


def measure(program, pattern):
    done = subprocess.run([program, f"--benchmark_filter={pattern}", "--benchmark_min_time=0.05", "--benchmark_repetitions=5",
                           "--benchmark_report_aggregates_only=true", "--benchmark_format=json"],
                          check=True, capture_output=True, text=True)
    return {r["run_name"]: r["bytes_per_second"] for r in json.loads(done.stdout)["benchmarks"] if r["aggregate_name"] == "median"}


def wanted():
    for suite in ("aes128-gcm", "aes256-gcm"):
        for verb in ("seal", "open"):
            yield f"{verb}/{suite}/32768/ipsec_mb", f"raw/{suite}/32768/ipsec_mb", 0.85
            yield f"{verb}/{suite}/32768/ipsec_mb", f"raw/{suite}/32768/openssl", 2.2
    for suite, factor in ((ETM256, 1.9), (ETM512, 3.2)):
        for verb in ("seal", "open"):
            yield f"{verb}/{suite}/32768/ipsec_mb", f"raw/{suite}/32768/openssl", factor
    for verb in ("seal", "open"):
        yield f"{verb}/{CHACHA}/32768/auto", f"raw/{CHACHA}/32768/openssl", 1.0
    yield "seal/aes128-gcm/64/auto", "raw/aes128-gcm/64/openssl", 2.0


def at_hand(program, short):
    rows = measure(program, r"^(seal|open)/[^/]*/32768/(auto|ipsec_mb|openssl)/x(1|4|8|16)$")
    worst = None
    for name, speed in rows.items():
        verb, suite, size, driver, n = name.split("/")
        if driver != "auto":
            continue
        best = max(v for k, v in rows.items() if k in (f"{verb}/{suite}/{size}/{d}/{n}" for d in ("ipsec_mb", "openssl")))
        if worst is None or speed / best < worst[0]:
            worst = (speed / best, name)
        if speed / best < 0.9:
            short.append(name)
            print(f"{name:58} {speed / best:6.2f} of the best driver, asked 0.90")
    print(f"automatic choice at 1, 4, 8, 16 at hand, every suite: worst {worst[0]:.2f} ({worst[1]}), asked 0.90")


def main():
    program = sys.argv[1]
    short = []
    rows = measure(program, r"^(seal|open|raw)/(aes128-gcm|aes256-gcm|chacha20-poly1305|aes256-ctr\+hmac-sha2-(256|512)-etm)"
                            r"/(64|32768)/(auto|ipsec_mb|openssl)$")
    for ours, peer, factor in wanted():
        ratio = rows[ours] / rows[peer]
        print(f"{ours:48} {rows[ours] / 1e9:7.2f} : {peer:46} {rows[peer] / 1e9:6.2f} = {ratio:5.2f}, asked {factor}")
        if ratio < factor:
            short.append(ours)
    at_hand(program, short)
    print(f"{len(short)} short" if short else "all reached")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
