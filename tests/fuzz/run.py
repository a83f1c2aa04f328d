#!/usr/bin/env python3
"""Runs every fuzz target for a while, from its seeds, and keeps what crashes it in build-fuzz/crashes."""
import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    options = parser.parse_args()
    build = ROOT / options.build
    crashes = build / "crashes"
    crashes.mkdir(exist_ok=True)
    failed = []
    targets = sorted(p for p in (build / "tests" / "fuzz").glob("fuzz_*") if p.is_file())
    for target in targets:
        corpus = build / "corpus" / target.name
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "tests" / "fuzz" / "seeds" / target.name
        print(f"{target.name}: {options.seconds} s", flush=True)
        done = subprocess.run([target, f"-max_total_time={options.seconds}", "-max_len=65536", "-print_final_stats=1",
                               f"-artifact_prefix={crashes}/{target.name}-", corpus, seeds], stderr=subprocess.STDOUT,
                              stdout=subprocess.PIPE, text=True, errors="replace")
        print("\n".join(line for line in done.stdout.splitlines() if line.startswith("stat::")))
        if done.returncode != 0:
            failed.append(target.name)
            print(done.stdout[-4000:])
    print(f"{len(targets) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not targets else 0


if __name__ == "__main__":
    sys.exit(main())
