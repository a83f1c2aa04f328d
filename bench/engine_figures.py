#!/usr/bin/env python3
"""The openssl command and stock OpenSSH with Sluice's ENGINE, its provider, and neither, in turn; ratios of the same run.

engine_figures.py BUILD [--seconds S] [--rounds N] [--mib M] [--only speed|sftp] [--match WORD]
"""
import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
from ssh_servers import USER, Sshd  # noqa: E402

WAYS = ("default", "engine", "provider")
# cipher, sizes, least ratio asked of both ways
ASKED = [("aes-128-gcm", (16384, 32768), 1.8), ("aes-256-ctr", (16384, 32768), 1.5)]
SMALL = [(cipher, (16, 64, 256), 0.9) for cipher in ("aes-128-gcm", "aes-256-gcm", "aes-128-ctr", "aes-256-ctr", "aes-128-cbc",
                                                     "aes-256-cbc")]
SMALL += [("chacha20-poly1305", (16, 64, 256, 1024, 16384), 0.9)]
# OpenSSL 3 asks no ENGINE for these: the provider inside of its module does them.
MACS = [(f"hmac {digest}", (64, 256, 1024, 16384), 0.9) for digest in ("sha1", "sha256", "sha512")]


def conf_of(build, folder, way, as_printed=False):
    if way == "default":
        return "/dev/null"
    words = [build / "apps/sluice_offload/sluice-offload", "engine-conf", *(["--engine"] if way == "engine" else [])]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    path = folder / f"{way}.cnf"
    # openssl speed measures the ENGINE's own ciphers, programs use what is printed.
    path.write_text(text if as_printed else text.replace("PROVIDER = ctr,cbc,gcm,chacha20-poly1305,", "PROVIDER = "))
    return str(path)


def speed(conf, cipher, size, seconds):
    """Bytes a second of CPU time, by openssl speed."""
    what = ["-hmac", cipher.split()[1]] if cipher.startswith("hmac ") else ["-evp", cipher]
    words = ["openssl", "speed", "-mr", "-seconds", str(seconds), "-bytes", str(size), *what]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=dict(os.environ, OPENSSL_CONF=conf))
    line = next(line for line in done.stdout.splitlines() if line.startswith("+F:"))
    return float(line.split(":")[3])


def speeds(options, confs):
    print("| openssl speed | bytes | default | engine | provider | engine : default | provider : default | asked |")
    print("|---|---|---|---|---|---|---|---|")
    short = 0
    for cipher, sizes, least in (row for row in ASKED + SMALL + MACS if options.match in row[0]):
        for size in sizes:
            rates = {way: [] for way in WAYS}
            for _ in range(options.rounds):
                for way in WAYS:
                    rates[way].append(speed(confs[way], cipher, size, options.seconds))
            ratio = {way: statistics.median(a / b for a, b in zip(rates[way], rates["default"])) for way in WAYS}
            short += sum(ratio[way] < least for way in WAYS[1:])
            best = {way: statistics.median(rates[way]) / 1e9 for way in WAYS}
            print(f"| {cipher} | {size} | {best['default']:.2f} | {best['engine']:.2f} | {best['provider']:.2f} | "
                  f"{ratio['engine']:.2f} | {ratio['provider']:.2f} | {least} |", flush=True)
    return short


class ConfSshd(Sshd):
    def __init__(self, folder, conf):
        super().__init__(folder)
        self.conf = conf

    def launch(self, command_for):
        os.environ["OPENSSL_CONF"] = self.conf
        try:
            return super().launch(command_for)
        finally:
            del os.environ["OPENSSL_CONF"]


def put(folder, conf, source, cipher):
    """CPU seconds of client and server together for one put."""
    with ConfSshd(folder, conf) as server:
        before = resource.getrusage(resource.RUSAGE_CHILDREN), server.cpu_seconds()
        subprocess.run(["sftp", "-q", "-b", "-", *server.options(), "-c", cipher, "-P", str(server.port), f"{USER}@127.0.0.1"],
                       input=f"put {source} /dev/null\n".encode(), check=True, capture_output=True,
                       env=dict(os.environ, OPENSSL_CONF=conf))
        after = resource.getrusage(resource.RUSAGE_CHILDREN), server.cpu_seconds()
    client = sum(getattr(after[0], name) - getattr(before[0], name) for name in ("ru_utime", "ru_stime"))
    return client + after[1] - before[1]


def transfers(options, confs, folder):
    source = pathlib.Path("/dev/shm") / f"engine_figures.{os.getpid()}"
    source.write_bytes(os.urandom(1 << 20) * options.mib)
    short = 0
    try:
        print("\n| sftp put, stock OpenSSH at both ends | CPU s/GiB: default | engine | provider | engine : default | provider : default |")
        print("|---|---|---|---|---|---|")
        for cipher in ("aes128-gcm@openssh.com", "aes256-ctr"):
            costs = {way: [] for way in WAYS}
            for _ in range(options.rounds):
                for way in WAYS:
                    costs[way].append(put(folder / way, confs[way], source, cipher) * 1024 / options.mib)
            middle = {way: statistics.median(costs[way]) for way in WAYS}
            ratio = {way: statistics.median(a / b for a, b in zip(costs[way], costs["default"])) for way in WAYS}
            short += sum(ratio[way] >= 1 for way in WAYS[1:])
            print(f"| {cipher} | {middle['default']:.2f} | {middle['engine']:.2f} | {middle['provider']:.2f} | "
                  f"{ratio['engine']:.2f} | {ratio['provider']:.2f} |", flush=True)
    finally:
        source.unlink()
    return short


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--only", choices=["speed", "sftp"])
    parser.add_argument("--match", default="", help="of openssl speed, algorithms with this in their name alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        confs = {way: conf_of(options.build.resolve(), folder, way) for way in WAYS}
        short = 0
        if options.only != "sftp":
            short += speeds(options, confs)
        confs = {way: conf_of(options.build.resolve(), folder, way, as_printed=True) for way in WAYS}
        if options.only != "speed":
            short += transfers(options, confs, folder)
    print(f"\n{short} figures short of what was asked")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
