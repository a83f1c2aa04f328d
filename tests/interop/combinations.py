"""What can be combined: the names that we know, and which of their combinations a test run tries."""
import heapq
import itertools
import os
import random
import shutil
import subprocess

FULL = bool(os.environ.get("SLUICE_TEST_FULL"))
# Of a full cross only the part K of N, "K/N": the parts are of one size, of rows from everywhere, and are the whole together.
PART, PARTS = (int(word) for word in os.environ.get("SLUICE_TEST_PART", "1/1").split("/"))

KEX = ["mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
       "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
       "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
       "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1",
       "diffie-hellman-group-exchange-sha1"]
HOST_KEYS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256", "rsa-sha2-512"]
AEADS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]
CIPHERS = AEADS + ["aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"]
MACS = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha1-etm@openssh.com", "hmac-sha2-256",
        "hmac-sha2-512", "hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"]
SUITES = [(c, "hmac-sha2-256") for c in AEADS] + [(c, m) for c in CIPHERS if c not in AEADS for m in MACS]


def pairwise(kex, host_keys, suites):
    """All in full, or a part of all; else rows in which every two values of kex, host key, cipher and MAC meet that can meet at all."""
    rows = list(itertools.product(kex, host_keys, suites))
    if FULL:
        random.Random(1).shuffle(rows)
        return rows[PART - 1::PARTS]
    pairs = [set(itertools.combinations(enumerate((row[0], row[1], *row[2])), 2)) for row in rows]
    missing = set().union(*pairs)
    chosen = []
    # The greediest row; the first of equals, so that every run tries the same. What a row adds only shrinks, so that one
    # whose gain is still what it was when it was queued is the best of all.
    queue = [(-len(of_row), i) for i, of_row in enumerate(pairs)]
    heapq.heapify(queue)
    while missing:
        _, i = queue[0]
        gain = len(pairs[i] & missing)
        if heapq.heapreplace(queue, (-gain, i))[0] == -gain:
            missing -= pairs[i]
            chosen.append(rows[i])
    return chosen


def rekeying_sizes(kex):
    """How much data there is for new keys several times, of a slow kind at least once. On a busy machine a little may be
    through before new keys are at hand: then more is sent."""
    slow = kex in ("diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512")
    return (600_000 if slow else 1_000_000, 3_000_000, 12_000_000)


def agreement(kex, host_key, suite):
    """What an exchange of such a row agrees on, in the words of our ends (tests/interop/agreed.h)."""
    cipher, mac = suite
    return [kex, host_key] + [cipher, "-" if cipher in AEADS else mac] * 2


def ask(program, query):
    if shutil.which(program) is None:
        return []
    return subprocess.run([program, "-Q", query], capture_output=True, text=True).stdout.split()


def known(ours, theirs):
    return [name for name in ours if name in theirs]
