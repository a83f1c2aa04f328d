#!/usr/bin/env python3
"""Runs every benchmark of the full table of docs/BENCHMARKS.md, one after the other, and writes the table there.

The results (JSON) and reports (HTML) of the runs stay in a folder. --only and --rounds are for a part or a quick look; what
such a run gives is printed and goes into no document.
"""
import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "BENCHMARKS.md"
# More measures than that are told one below the other.
MOST_COLUMNS = 7
BEGIN, END = "<!-- full table: begin -->", "<!-- full table: end -->"
# Name, words after `sluice bench`, and what is shown of each row: None for all.
RUNS = [
    ("one file", "transfer --size 1M,64M,1G --suite aes128-gcm,aes256-ctr+hmac-sha2-512-etm,chacha20-poly1305 --rounds 3 --to-null "
     "--pair sluice-cp+sluiced,sluice-sftp+sluiced,sftp+sluiced,sluice-cp+sshd,sftp+sshd",
     ["throughput", "CPU of both ends", "server CPU", "client memory", "server memory"]),
    ("10,000 files of 4 KiB", "transfer --size 4K --files 10000 --rounds 3 --pair sluice-cp-auto+sluiced,scp+sluiced,sftp+sluiced,"
     "scp+sshd,sftp+sshd --against scp+sshd", ["time", "CPU of both ends", "server CPU", "client memory", "server memory"]),
    ("4 and 100 downloads at once", "transfer --way get --size 64M --streams 4,100 --rounds 3 --to-null --pair sftp+sluiced,sftp+sshd",
     ["throughput", "slowest stream : mean", "server CPU", "server memory"]),
    ("rekeys of one bulk session", "rekey --sessions 1 --mode volume --volume 64M --by server --window 4M --seconds 3 --calm 3 "
     "--rounds 3", None),
    ("rekey storm", "rekey --sessions 1000 --seconds 30 --kex mixed --suite mixed --rounds 3", None),
    ("sshd rekeys", "rekey --server sshd --sessions 20 --mode volume --volume 4M --rounds 3", None),
    ("record layer", "linerate", None),
    ("record layer with a port in the loop", "linerate --port-dev memif --suite aes128-gcm --payload 64,1400,32768 --seconds 1", None),
    ("record layer with another port", "linerate --port-dev vhost --suite aes128-gcm --payload 64,1400,32768 --seconds 1", None),
    ("record layer over the kernel's TCP", "linerate --port-dev kernel --suite aes128-gcm --payload 64,1400,32768 --seconds 1", None),
    ("sessions", "sessions --sessions 1000 --active 50", None),
]


def cell(measure):
    rounds = measure["rounds"]
    shown = f"{measure['median']:.4g}"
    return shown if len(rounds) < 2 else f"{shown} ({measure['least']:.3g} to {measure['most']:.3g})"


def table(head, rows):
    return "\n".join(["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]])


def measures_table(result, wanted):
    columns = []
    for row in result["rows"]:
        for measure in row["measures"]:
            title = f"{measure['name']}, {measure['unit']}" if measure["unit"] else measure["name"]
            if title not in columns and (wanted is None or measure["name"] in wanted):
                columns.append(title)
    lines = []
    for row in result["rows"]:
        of_row = {f"{m['name']}, {m['unit']}" if m["unit"] else m["name"]: cell(m) for m in row["measures"]}
        lines.append([row["name"], *(of_row.get(column, "") for column in columns)])
    whole = [["", *columns], *lines]
    if len(columns) > MOST_COLUMNS:
        whole = [list(line) for line in zip(*whole)]
    return table(whole[0], whole[1:])


def ratios_table(result, wanted):
    chosen = [r for r in result["ratios"] if wanted is None or r["name"].rsplit(", ", 1)[-1] in wanted[:3]]
    return table(["ratio, round by round", "median (least to most)"], [[r["name"], cell(r)] for r in chosen]) if chosen else ""


def section(title, words, result, wanted):
    parts = [f"### {title[0].upper()}{title[1:]}", f"`sluice bench {words}`", measures_table(result, wanted), ratios_table(result, wanted)]
    parts += [f"Not passed: {one}" for one in result["failures"]]
    return "\n\n".join(part for part in parts if part)


def described(machine, began):
    ours = [f"{name} {value}" for name, value in machine["versions"].items() if name in ("sluice", "ssh")]
    return (f"{began[:10]}, {machine['processors']} processors ({machine['cpu']}), {machine['kernel']}, {machine['system']}, "
            f"{machine['memory_gib']:.0f} GiB, load {machine['load']} at the start; {'; '.join(ours)}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--folder", default=f"bench-{time.strftime('%Y%m%d-%H%M%S')}", help="for JSON and HTML (default: %(default)s)")
    parser.add_argument("--only", default="", help="only runs whose title contains this")
    parser.add_argument("--rounds", type=int, help="other than the table's")
    options = parser.parse_args()
    sluice = ROOT / options.build / "apps" / "sluice" / "sluice"
    folder = pathlib.Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    sections, about, failed = [], "", False
    for title, words, wanted in RUNS:
        if options.only not in title:
            continue
        name = folder / title.replace(",", "").replace(" ", "-")
        more = ["--rounds", str(options.rounds)] if options.rounds else []
        print(f"== {title}: sluice bench {words}", flush=True)
        code = subprocess.run([sluice, "bench", *shlex.split(words), *more, "--json", f"{name}.json", "--html", f"{name}.html"]).returncode
        # 1 is a limit or a check that did not pass: its figures are told with it.
        if code not in (0, 1):
            sys.exit(f"sluice bench {words}: exit status {code}")
        failed = failed or code != 0
        result = json.loads(pathlib.Path(f"{name}.json").read_text())
        about = about or described(result["machine"], result["began"])
        sections.append(section(title, words, result, wanted))
    text = "\n\n".join([about, *sections])
    if options.only or options.rounds:
        print(text)
    else:
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
        print(f"written to {DOCUMENT}; results and reports are in {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
