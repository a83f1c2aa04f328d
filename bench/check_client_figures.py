#!/usr/bin/env python3
"""Measures the client's figures and prints each beside what is asked of it. Exit 1 when one is short.

usage: bench/check_client_figures.py BUILD [--only WORD] [--rounds N]

sluice sftp and sluice cp beside OpenSSH's sftp and scp, in turn, by `sluice bench transfer`; bench/floor before and after them;
the start by bench/client_start.py; with --only "long path" (never otherwise: OpenSSH needs some four minutes for it) 1 GiB at
100 ms each way by bench/long_path.py. Quiet machine: what else runs on it is in every figure.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FULL = "--size 2G --to-null"
# Title, words of `sluice bench transfer`, and what is asked of which ratio: way, pair, measure, the least (or below 1 the most).
TRANSFERS = [
    ("sftp aes128-gcm", f"{FULL} --suite aes128-gcm --pair sluice-sftp+sluiced,sftp+sshd",
     [("put", "throughput", 3), ("get", "throughput", 2.8), ("put", "CPU of both ends", 0.35), ("get", "CPU of both ends", 0.35)]),
    ("sftp aes256-ctr+hmac-sha2-512-etm", f"{FULL} --suite aes256-ctr+hmac-sha2-512-etm --pair sluice-sftp+sluiced,sftp+sshd",
     [("put", "throughput", 3), ("get", "throughput", 3)]),
    ("sftp chacha20-poly1305", f"{FULL} --suite chacha20-poly1305 --pair sluice-sftp+sluiced,sftp+sshd",
     [("put", "throughput", 2.5), ("get", "throughput", 2.5)]),
    ("sftp with stock sshd", f"{FULL} --suite aes128-gcm --pair sluice-sftp+sshd,sftp+sshd",
     [("put", "throughput", 1.2), ("get", "throughput", 1.2)]),
    ("cp with stock sshd", f"{FULL} --suite aes128-gcm --pair sluice-cp+sshd,sftp+sshd",
     [("put", "throughput", 1.2), ("get", "throughput", 1.2)]),
    ("cp -r of 10,000 files of 4 KiB", "--size 4K --files 10000 --pair sluice-cp-auto+sluiced,scp+sshd", [("put", "time", 5), ("get", "time", 5)]),
]
FLOOR = 0.85


def transfer(sluice, words, rounds):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run([sluice, "bench", "transfer", *words.split(), "--rounds", str(rounds), "-q", "--json", out.name])
        if done.returncode != 0:
            sys.exit(f"sluice bench transfer {words}: exit status {done.returncode}")
        return json.loads(pathlib.Path(out.name).read_text())


def measure(result, way, who, name):
    row = next(r for r in result["rows"] if r["name"].startswith(way) and r["name"].split()[-1] == who)
    return next(m for m in row["measures"] if m["name"] == name)


def floor(build, way):
    said = subprocess.run([build / "bench/floor", way], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([0-9.]+) GB/s", said)[1])


class Table:
    def __init__(self):
        self.short = []
        print("| result | asked | measured | ours | theirs |\n|---|---|---|---|---|", flush=True)

    def row(self, what, asked, ratio, spread, ours, theirs, at_most=False):
        good = ratio <= asked if at_most else ratio >= asked
        print(f"| {what} | {'at most ' if at_most else ''}{asked} | {ratio:.2f}{spread} | {ours} | {theirs} |{'' if good else ' SHORT'}", flush=True)
        if not good:
            self.short.append(what)


def by_transfer(table, build, title, words, asked, rounds):
    with_floor = title == "sftp aes128-gcm"
    floors = {way: [floor(build, way)] for way in ("put", "get")} if with_floor else {}
    result = transfer(build / "apps/sluice/sluice", words, rounds)
    for way in floors:
        floors[way].append(floor(build, way))
    ours, theirs = re.search(r"--pair (\S+),(\S+)", words).groups()
    for way, name, least in asked:
        a, b = measure(result, way, ours, name), measure(result, way, theirs, name)
        at_most = least < 1
        ratios = [y / x if name == "time" else x / y for x, y in zip(a["rounds"], b["rounds"])]
        spread = f" ({min(ratios):.2f} to {max(ratios):.2f})"
        table.row(f"{title}, {way}, {name} : {theirs}", least, statistics.median(ratios), spread,
                  f"{a['median']:.3g} {a['unit']}", f"{b['median']:.3g} {b['unit']}", at_most)
    for way, figures in floors.items():
        rate = measure(result, way, ours, "throughput")["median"]
        mean = statistics.mean(figures)
        table.row(f"{title}, {way} : bench/floor", FLOOR, rate / mean, "", f"{rate:.2f} GB/s", f"{figures[0]:.2f} before, {figures[1]:.2f} GB/s after")


def by_start(table, build):
    said = subprocess.run([sys.executable, ROOT / "bench/client_start.py", build], capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    for more in ("", ", curve25519"):
        ours, theirs = found["sluice" + more]["median_ms"], found["openssh" + more]["median_ms"]
        print(f"| start of ssh host true{more}, time : OpenSSH's | at most 1 | {ours / theirs:.2f} | {ours} ms | {theirs} ms |", flush=True)
        if ours > theirs:
            table.short.append("start" + more)


def by_long_path(table, build):
    said = subprocess.run([sys.executable, ROOT / "bench/long_path.py", build, "--mib", "1024", "--delay", "100", "--rate", "64M",
                           "--openssh", "--only", "sftp"], capture_output=True, text=True, check=True).stdout
    rates = {who: float(rate) for who, rate in re.findall(r"^  (\S.*\S) +([0-9.]+) MB/s", said, re.M)}
    for way in ("put", "get"):
        ours, theirs, path = rates[f"sluice sftp {way}"], rates[f"OpenSSH sftp {way}"], rates[f"TCP alone {way}"]
        table.row(f"1 GiB at 100 ms, {way} : OpenSSH's sftp (TCP alone {path} MB/s)", 5, ours / theirs, "", f"{ours} MB/s", f"{theirs} MB/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", default="", help="figures whose title contains this")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    build = options.build.resolve()
    table = Table()
    for title, words, asked in TRANSFERS:
        if options.only in title:
            by_transfer(table, build, title, words, asked, options.rounds)
    if options.only in "start":
        by_start(table, build)
    if options.only == "long path":
        by_long_path(table, build)
    print("short: " + "; ".join(table.short) if table.short else "all reached")
    return 1 if table.short else 0


if __name__ == "__main__":
    sys.exit(main())
