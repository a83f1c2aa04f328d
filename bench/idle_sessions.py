#!/usr/bin/python3
"""Memory and CPU of idle, authenticated sessions of sluiced: the PSS of its monitor and network process for each.

usage: bench/idle_sessions.py BUILD [--sessions N]
The sessions are AsyncSSH's: logged in, no channel. PSS is the kernel's (smaps_rollup), after minus before; CPU is that of
ten idle seconds. A broker, which only sessions with a channel have, is reported apart: what all processes but the network
process grow by when one starts, since most of its own PSS is its part of pages that monitor and starter have anyway.
"""
import argparse
import asyncio
import pathlib
import sys
import tempfile
import time

import asyncssh

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.ssh_servers import Sluiced, USER, family_of  # noqa: E402


OTHER_USER = "nobody"


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def serving(server):
    """The monitor and the network process; the brokers' starter and brokers are others."""
    pids = [server.process.pid]
    for pid in family_of(server.process.pid):
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "sluiced-net":
            pids.append(pid)
    return pids


def beside_network(server):
    pids = {server.process.pid, *family_of(server.process.pid)}
    return sum(pss_kib(pid) for pid in pids if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != "sluiced-net")


async def open_all(server, count):
    held = []
    for _ in range(count):
        held.append(await asyncssh.connect("127.0.0.1", server.port, username=USER, client_keys=[str(server.key)],
                                           known_hosts=None, config=None, agent_path=None))
    return held


async def measure_brokers(server, connection):
    """What the first adds, what a second one (of another user) adds, the PSS of the second."""
    sizes = [beside_network(server)]
    await connection.run("true")
    await asyncio.sleep(1)
    sizes.append(beside_network(server))
    known = family_of(server.process.pid)
    other = await asyncssh.connect("127.0.0.1", server.port, username=OTHER_USER, client_keys=[str(server.key)], known_hosts=None,
                                   config=None, agent_path=None)
    async with other.start_sftp_client() as files:
        await files.stat("/")
        await asyncio.sleep(1)
        sizes.append(beside_network(server))
        brokers = family_of(server.process.pid) - known
        if len(brokers) != 1:
            raise RuntimeError(f"{len(brokers)} processes more with another user, not one broker")
        own = pss_kib(brokers.pop())
    other.abort()
    return sizes[1] - sizes[0], sizes[2] - sizes[1], own


async def measure(server, count):
    # What the first sessions make once is not theirs.
    warm = await open_all(server, 20)
    await asyncio.sleep(2)
    pids = serving(server)
    before = sum(map(pss_kib, pids))
    held = await open_all(server, count)
    await asyncio.sleep(5)
    after = sum(map(pss_kib, pids))
    cpu, began = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(10)
    share = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
    broker = await measure_brokers(server, held[0])
    for connection in held + warm:
        connection.abort()
    return (after - before) / count, share, broker


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--sessions", type=int, default=2000)
    arguments = parser.parse_args()
    limits = ["ssh server session-limit 60000", "ssh server rate-limit 1000000"]
    with tempfile.TemporaryDirectory() as name, Sluiced(arguments.build, name, *limits) as server:
        # The other user's broker reads the keys as that user.
        for path, mode in ((name, 0o755), (f"{name}/authorized", 0o644)):
            pathlib.Path(path).chmod(mode)
        each, share, broker = asyncio.run(measure(server, arguments.sessions))
    print(f"{arguments.sessions} idle sessions: {each:.1f} KiB PSS each, {100 * share:.2f} % of a core in all; "
          f"the first broker adds {broker[0]} KiB, the next one {broker[1]} (its PSS {broker[2]})")


if __name__ == "__main__":
    main()
