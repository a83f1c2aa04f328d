#!/usr/bin/env python3
"""Runs the record benchmark for the main suites and prints it as a table: sluice beside the bare libraries."""
import json
import subprocess
import sys

SUITES = ["aes128-gcm", "aes256-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-256-etm", "aes256-ctr+hmac-sha2-512-etm"]
SIZE = 32768


def measure(program, seconds):
    names = "|".join(s.replace("+", r"\+") for s in SUITES)
    pattern = f"^((seal|open)/({names})/{SIZE}/auto|raw/({names})/{SIZE}/(openssl|ipsec_mb))$"
    done = subprocess.run([program, f"--benchmark_filter={pattern}", f"--benchmark_min_time={seconds}",
                           "--benchmark_repetitions=3", "--benchmark_report_aggregates_only=true",
                           "--benchmark_format=json"], check=True, capture_output=True, text=True)
    rows = {}
    for row in json.loads(done.stdout)["benchmarks"]:
        if row.get("aggregate_name") == "median":
            rows[row["run_name"]] = (row["bytes_per_second"] / 1e9, row.get("label", ""))
    return rows


def main():
    program = sys.argv[1]
    print("Measuring the record layer: one core, 32 KiB messages, 32 at hand, medians of three ...", flush=True)
    rows = measure(program, 0.1)
    missing = (float("nan"), "")
    print(f"\n{'GB/s of payload':32} {'seal':>7} {'open':>7}   {'openssl':>7} {'ipsec-mb':>8}   {'seal : openssl':>14}   driver")
    for suite in SUITES:
        seal, open_, openssl, ipsec_mb = (rows.get(f"{kind}/{suite}/{SIZE}/{who}", missing) for kind, who in
                                          (("seal", "auto"), ("open", "auto"), ("raw", "openssl"), ("raw", "ipsec_mb")))
        print(f"{suite:32} {seal[0]:7.2f} {open_[0]:7.2f}   {openssl[0]:7.2f} {ipsec_mb[0]:8.2f}   "
              f"{seal[0] / openssl[0]:13.2f}x   {seal[1]}")
    print("\nseal, open: messages to wire bytes and back through the data path. openssl, ipsec-mb: the bare libraries over")
    print("the same bytes. All rows: ./dev bench; one suite: ./dev bench 'chacha20-poly1305/32768'")


if __name__ == "__main__":
    sys.exit(main())
