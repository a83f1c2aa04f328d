#!/usr/bin/env python3
"""sluice-offload bench beside dpdk-test-crypto-perf: the same DPDK driver, sizes, burst and run, taken in turn.

Both seal: aes128-gcm, and aes256-ctr with HMAC-SHA2-256 over the ciphertext. A row's figures are the best of the
rounds, since other work on the machine only ever makes a round slower; its ratio is ours over theirs, in bytes a second. Exit status 1 when a ratio is below --least.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

SUITES = {
    'aes128-gcm': ['--optype', 'aead', '--aead-algo', 'aes-gcm', '--aead-op', 'encrypt', '--aead-key-sz', '16',
                   '--aead-iv-sz', '12', '--aead-aad-sz', '4', '--digest-sz', '16'],
    'aes256-ctr+hmac-sha2-256-etm': [
        '--optype', 'cipher-then-auth', '--cipher-algo', 'aes-ctr', '--cipher-op', 'encrypt', '--cipher-key-sz', '32',
        '--cipher-iv-sz', '16', '--auth-algo', 'sha2-256-hmac', '--auth-op', 'generate', '--auth-key-sz', '32',
        '--digest-sz', '32'],
}
# A round of either takes about this many bytes, so that neither gains by warming up longer.
ROUND_BYTES = 6_000_000_000


def run(command, timeout):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        sys.exit(f'{" ".join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}')
    return done.stdout


def ours(args, suite, size):
    out = run([args.build / 'apps/sluice_offload/sluice-offload', 'bench', '--json', '--device',
               f'cryptodev:{args.driver}', '--suite', suite, '--size', str(size), '--batch', str(args.burst),
               '--direction', 'seal', '--seconds', str(args.seconds)], 120)
    row = json.loads(out)['rows'][0]
    if 'skipped' in row:
        sys.exit(f'{suite}: {row["skipped"]}')
    return row['bytes_per_second'], row['cycles_per_record']


def theirs(args, suite, size):
    operations = max(100_000, int(ROUND_BYTES * args.seconds / size / 2))
    # The smallest pool that its cache of 512 allows: its operations stay in the CPU's cache as ours do.
    out = run([args.perf, '--no-huge', '--no-shconf', '--no-telemetry', '--no-pci', '-m', '1024', '-l', args.cores,
               '--vdev', args.driver, '--', '--devtype', args.driver, '--ptest', 'throughput', '--silent',
               '--buffer-sz', str(size), '--burst-sz', str(args.burst), '--total-ops', str(operations),
               '--pool-sz', str(args.pool), '--csv-friendly'] + SUITES[suite], 120)
    # lcore, size, burst, enqueued, dequeued, failed enqueues, failed dequeues, Mops, Gbps, cycles a buffer
    rows = [line for line in out.splitlines() if re.match(r'^\s*\d+[,;]', line)]
    if not rows:
        sys.exit(f'no figures from {args.perf}:\n{out[-2000:]}')
    fields = re.split('[,;]', rows[-1])
    return float(fields[-3]) * 1e6 * size, float(fields[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent / 'build')
    parser.add_argument('--perf', default='dpdk-test-crypto-perf')
    parser.add_argument('--driver', default='crypto_aesni_mb')
    parser.add_argument('--sizes', default='1024,4096,32768')
    parser.add_argument('--burst', type=int, default=32)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=0.3)
    parser.add_argument('--pool', type=int, default=1024, help='operations in the pool of dpdk-test-crypto-perf')
    parser.add_argument('--cores', default='0,1', help='its main core and its worker')
    parser.add_argument('--least', type=float, default=0.9)
    parser.add_argument('--json', type=pathlib.Path, help='write the rows there too')
    args = parser.parse_args()
    if shutil.which(args.perf) is None:
        print(f'SKIP: {args.perf} is not installed (Debian: package dpdk)')
        sys.exit(77)
    rows = []
    print(f'{"suite":<32}{"size":>6}  {"sluice":>9} {"dpdk":>9} GB/s   {"sluice":>7} {"dpdk":>7} cycles   ratio')
    for suite in SUITES:
        for size in map(int, args.sizes.split(',')):
            mine, other = [], []
            for _ in range(args.rounds):
                mine.append(ours(args, suite, size))
                other.append(theirs(args, suite, size))
            best = [*max(mine), *max(other)]
            ratio = best[0] / best[2]
            rows.append({'suite': suite, 'size': size, 'driver': args.driver, 'burst': args.burst,
                         'bytes_per_second': best[0], 'dpdk_bytes_per_second': best[2], 'cycles': best[1],
                         'dpdk_cycles': best[3], 'ratio': ratio})
            print(f'{suite:<32}{size:>6}  {best[0] / 1e9:9.3f} {best[2] / 1e9:9.3f}        {best[1]:7.0f} {best[3]:7.0f}'
                  f'          {ratio:5.2f}{"" if ratio >= args.least else "  BELOW"}', flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
    sys.exit(0 if all(row['ratio'] >= args.least for row in rows) else 1)


if __name__ == '__main__':
    main()
