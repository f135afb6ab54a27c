#!/usr/bin/env python3
"""Deletes and renames what lies in a lower layer of an overlay. Usage: layers.py
prepare LOWER, before it is mounted, then layers.py ROOT TRUTH; writes to TRUTH
what it truly did, lines of ACTION HEX-PATH [HEX-DEST]."""
import os, shutil, subprocess, sys

def tree(top, depth, width, files):
    os.makedirs(top, exist_ok=True)
    for i in range(files): open(os.path.join(top, b"f%d" % i), "wb").close()
    if depth > 1:
        for i in range(width): tree(os.path.join(top, b"d%d" % i), depth - 1, width, files)

if sys.argv[1] == "prepare":
    low = os.fsencode(sys.argv[2])
    for name, shape in {b"rm": (4, 2, 2), b"rel": (3, 2, 2), b"find": (4, 2, 2), b"tree": (4, 2, 1), b"deep": (30, 1, 1), b"copied": (3, 2, 2),
                        b"again": (2, 1, 2), b"mv": (3, 1, 2), b"empty": (4, 2, 0), b"tar": (2, 2, 2), b"p0": (3, 3, 2), b"p1": (3, 3, 2), b"with space": (2, 2, 2)}.items():
        tree(os.path.join(low, name), *shape)
    for i in range(6): open(os.path.join(low, b"file%d" % i), "wb").close()
    sys.exit()

root, truth = os.fsencode(sys.argv[1]), open(sys.argv[2], "wb")
def say(action, path, dest=b""):
    truth.write(action.encode() + b" " + path.hex().encode() + b" " + dest.hex().encode() + b"\n")
def gone(top):
    for p, ds, fs in os.walk(top, topdown=False):
        for x in fs: say("delete", os.path.join(p, x))
        say("delete", p)
def run(*argv, cwd="/usr"): subprocess.run(argv, cwd=cwd, check=True)
def at(*names): return os.path.join(root, *names)

gone(at(b"rm")); run("rm", "-rf", at(b"rm"))
gone(at(b"rel")); run("rm", "-rf", "rel", cwd=root)
gone(at(b"find")); run("find", at(b"find"), "-delete")
gone(at(b"tree")); shutil.rmtree(at(b"tree"))
gone(at(b"deep")); run("rm", "-rf", at(b"deep"))
gone(at(b"empty")); run("rm", "-rf", at(b"empty"))
gone(at(b"with space")); run("rm", "-rf", at(b"with space"))
# some of it in the upper layer, some in the lower one
for p in (b"f0", b"d0/f1", b"d0/d1/f0"): open(at(b"copied", p), "ab").write(b"x")
os.chmod(at(b"copied/d1/d0"), 0o700); os.mkdir(at(b"copied/d1/new")); open(at(b"copied/d1/new/f"), "wb").close()
gone(at(b"copied")); run("rm", "-rf", at(b"copied"))
# deleted and made again
for i in range(3):
    gone(at(b"again")); run("rm", "-rf", at(b"again")); tree(at(b"again"), 3, 1, 2)
gone(at(b"again")); shutil.rmtree(at(b"again"))
# renames, by descriptors too
say("rename", at(b"file0"), at(b"file0b")); run("mv", "file0", "file0b", cwd=root)
say("rename", at(b"file0b"), at(b"mv/d0/file0c")); run("mv", at(b"file0b"), at(b"mv/d0/file0c"))
a, b = os.open(at(b"mv"), 0), os.open(at(b"mv/d0"), 0)
say("rename", at(b"mv/f0"), at(b"mv/d0/g0")); os.rename("f0", "g0", src_dir_fd=a, dst_dir_fd=b)
say("rename", at(b"mv/d0/f1"), at(b"mv/f1")); os.rename("f1", "f1", src_dir_fd=b, dst_dir_fd=a)
os.mkdir(at(b"up")); open(at(b"up/x"), "wb").close()
say("rename", at(b"up"), at(b"mv/up2")); run("mv", "up", "mv/up2", cwd=root)
say("rename", at(b"file1"), at(b"file2")); os.rename(at(b"file1"), at(b"file2"))
say("rename", at(b"file3"), at(b"file3b")); os.rename(at(b"file3"), at(b"file3b"))
say("rename", at(b"file3b"), at(b"file3")); os.rename(at(b"file3b"), at(b"file3"))
gone(at(b"mv")); run("rm", "-rf", at(b"mv"))
for x in (b"p0", b"p1"): gone(at(x))
ps = [subprocess.Popen(["rm", "-rf", at(x)], cwd="/usr") for x in (b"p0", b"p1")]
for p in ps: p.wait()
for x in os.listdir(root): gone(at(x)) if os.path.isdir(at(x)) else say("delete", at(x))
run("find", root, "-mindepth", "1", "-delete")
truth.close()
