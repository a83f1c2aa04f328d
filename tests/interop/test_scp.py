"""Copies by stock clients of the legacy scp protocol, and by scp over SFTP: trees, modes, times, names, large files."""
import os

import pytest
from shell_world import CIPHERS, REKEY, USER, dbclient, putty, run, scp, server  # noqa: F401

HOST = f"{USER}@127.0.0.1"
MODES = {"legacy": ["-O"], "sftp": ["-s"]}


def make_tree(folder):
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "empty-folder").mkdir()
    (folder / "empty").write_bytes(b"")
    (folder / "a name with 'quotes' and $").write_bytes(b"odd")
    (folder / "large").write_bytes(os.urandom(5_000_000))
    for i in range(300):
        (folder / "inner" / f"file{i}").write_bytes(os.urandom(i * 37))
    (folder / "inner" / "deep" / "read-only").write_bytes(b"x")
    (folder / "inner" / "deep" / "read-only").chmod(0o440)
    os.utime(folder / "large", (1_000_000_000, 1_100_000_000))
    os.utime(folder / "inner", (1_000_000_001, 1_100_000_001))
    return folder


def facts(folder):
    return {str(path.relative_to(folder)): (oct(path.stat().st_mode), int(path.stat().st_mtime), path.read_bytes() if path.is_file() else None)
            for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda words: words[1])
def test_openssh_copies_a_tree_there_and_back(server, tmp_path, mode, cipher):
    tree = make_tree(tmp_path / "tree")
    copy = scp(server, *MODES[mode], *cipher, *REKEY, "-q", "-r", "-p")
    done = run([*copy, tree, f"{HOST}:{tmp_path}/there"])
    assert done.returncode == 0, done.stderr
    done = run([*copy, f"{HOST}:{tmp_path}/there", tmp_path / "back"])
    assert done.returncode == 0, done.stderr
    assert facts(tmp_path / "there") == facts(tree)
    assert facts(tmp_path / "back") == facts(tree)


def test_openssh_copies_several_files_and_patterns_and_tells_what_is_missing(server, tmp_path):
    for name in ("a.txt", "b.txt", "c.dat"):
        (tmp_path / name).write_text(name)
    target = tmp_path / "target"
    target.mkdir()
    done = run([*scp(server, "-O", "-q"), f"{HOST}:{tmp_path}/*.txt", f"{HOST}:{tmp_path}/none", target])
    assert done.returncode == 1 and b"No such file or directory" in done.stderr
    assert sorted(os.listdir(target)) == ["a.txt", "b.txt"]
    done = run([*scp(server, "-O", "-q"), tmp_path / "a.txt", tmp_path / "b.txt", f"{HOST}:{tmp_path}/not-there"])
    assert done.returncode == 1 and not (tmp_path / "not-there").exists()
    done = run([*scp(server, "-O", "-q"), tmp_path / "a.txt", f"{HOST}:/dev/full"])
    assert done.returncode == 1 and b"No space left on device" in done.stderr


def test_a_sparse_file_of_more_than_four_gigabytes_arrives_whole(server, tmp_path):
    size = (1 << 32) + 4097
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(size)
        file.seek(size - 5)
        file.write(b"ended")
    # Not to a disk: what arrives has no holes.
    done = run([*scp(server, "-O", "-q", "-c", "aes128-gcm@openssh.com"), f"{HOST}:{tmp_path}/sparse", "/dev/null"])
    assert done.returncode == 0, done.stderr
    done = run([*scp(server, "-O", "-q", "-c", "aes128-gcm@openssh.com"), tmp_path / "sparse", f"{HOST}:/dev/null"])
    assert done.returncode == 0, done.stderr


def test_pscp_copies_a_tree_there_and_back(server, tmp_path):
    tree = make_tree(tmp_path / "tree")
    done = run([*putty("pscp", server, "-scp", "-q", "-r", "-p"), tree, f"{HOST}:{tmp_path}/there"])
    assert done.returncode == 0, done.stderr
    done = run([*putty("pscp", server, "-scp", "-q", "-r", "-p"), f"{HOST}:{tmp_path}/there", tmp_path / "back"])
    assert done.returncode == 0, done.stderr
    contents = {name: fact[2] for name, fact in facts(tree).items()}
    assert {name: fact[2] for name, fact in facts(tmp_path / "there").items()} == contents
    assert {name: fact[2] for name, fact in facts(tmp_path / "back").items()} == contents


def test_scp_over_dropbears_client_copies_a_tree(server, tmp_path):
    tree = make_tree(tmp_path / "tree")
    # scp calls: PROGRAM -x -oOption... -l USER HOST COMMAND. dbclient knows none of those options.
    wrapper = tmp_path / "dbclient"
    words = " ".join(f"'{word}'" for word in dbclient(server)[:-1])
    wrapper.write_text("#!/bin/bash\nfor word; do last=$word; done\nexec " + words + f" {HOST} \"$last\"\n")
    wrapper.chmod(0o755)
    done = run(["scp", "-O", "-q", "-r", "-p", "-S", wrapper, tree, f"{HOST}:{tmp_path}/there"])
    assert done.returncode == 0, done.stderr
    assert facts(tmp_path / "there") == facts(tree)


def test_no_program_is_started_for_scp(server, tmp_path):
    """A path that only a shell could misunderstand stays a path."""
    name = tmp_path / "x"
    name.write_text("x")
    done = run([*scp(server, "-O", "-q"), name, f"{HOST}:'{tmp_path}/a b; c'"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a b; c").read_text() == "x"
