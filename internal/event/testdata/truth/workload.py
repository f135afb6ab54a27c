#!/usr/bin/env python3
"""Deletes and renames below ROOT in all ways; writes what it truly did to TRUTH,
lines of ACTION HEX-PATH [HEX-DEST]. Usage: workload.py ROOT TRUTH [slow]"""
import ctypes, os, shutil, subprocess, sys, time
root, truth = sys.argv[1].encode(), open(sys.argv[2], "wb")
libc = ctypes.CDLL(None, use_errno=True)
AT = -100
def say(action, path, dest=b""):
    truth.write(action.encode() + b" " + path.hex().encode() + b" " + dest.hex().encode() + b"\n")
def d(*names):
    p = os.path.join(root, *names); os.makedirs(p, exist_ok=True); return p
def f(*names):
    p = os.path.join(root, *names); os.makedirs(os.path.dirname(p), exist_ok=True); open(p, "wb").close(); return p
def run(*argv, cwd="/usr", ok=True, **kw):
    r = subprocess.run(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)
    if ok and r.returncode: print("failed", argv, r.returncode)
def tree(top, depth, width, files):
    os.makedirs(top, exist_ok=True)
    for i in range(files): open(os.path.join(top, b"f%d" % i), "wb").close()
    if depth > 1:
        for i in range(width): tree(os.path.join(top, b"d%d" % i), depth - 1, width, files)
def gone(top):
    for p, ds, fs in os.walk(top, topdown=False):
        for x in fs + [x for x in ds if os.path.islink(os.path.join(p, x))]: say("delete", os.path.join(p, x))
        say("delete", p)
def call(nr, *args):
    return libc.syscall(nr, *args)

# plain names, absolute and relative
say("delete", f(b"a", b"abs")); run("rm", root + b"/a/abs")
say("delete", f(b"a", b"rel")); run("rm", "rel", cwd=root + b"/a")
say("delete", f(b"a", b"sub", b"x")); run("rm", "sub/x", cwd=root + b"/a")
say("delete", f(b"a", b"sub", b"y")); run("rm", "../a/./sub//y", cwd=root + b"/a")
say("delete", d(b"a", b"dir")); run("rmdir", "dir/", cwd=root + b"/a")
say("delete", d(b"a", b"dir")); run("rm", "-r", root + b"/a//dir/")

# trees
tree(d(b"t5"), 5, 2, 2); gone(root + b"/t5"); run("rm", "-rf", root + b"/t5")
tree(d(b"t5r"), 5, 1, 2); gone(root + b"/t5r"); run("rm", "-rf", "t5r", cwd=root)
tree(d(b"t30"), 30, 1, 1); gone(root + b"/t30"); run("rm", "-rf", root + b"/t30")
tree(d(b"t40"), 40, 1, 1); gone(root + b"/t40"); run("find", root + b"/t40", "-delete")
tree(d(b"tf"), 4, 2, 2); gone(root + b"/tf"); run("find", "tf", "-delete", cwd=root)
tree(d(b"tp"), 6, 2, 1); gone(root + b"/tp"); shutil.rmtree(root + b"/tp")
tree(d(b"tp30"), 30, 1, 1); gone(root + b"/tp30"); shutil.rmtree(root + b"/tp30")
for w in (b"star1", b"star2"):
    tree(d(b"stars", w), 2, 2, 2); gone(os.path.join(root, b"stars", w))
run("sh", "-c", "rm -rf *", cwd=root + b"/stars")

# names
long = b"n" * 255
for i, n in enumerate([b"with space", b'quo"te', b"apo'strophe", b"new\nline", "gr\u00fc\u00dfe".encode(), b"inv\xff\xfealid", long, b"(null)", b"back\\slash", b"$(x)`y`", b"-dash", b"4142", b"DEADBEEF", b"a,b=c", b" lead", b"trail ", b"tab\t"]):
    say("delete", f(b"names", n)); run("rm", "--", n, cwd=root + b"/names")
    f(b"names", n); say("rename", root + b"/names/" + n, root + b"/names/x" + n[:200]); os.rename(root + b"/names/" + n, root + b"/names/x" + n[:200])
    tree(d(b"names", n), 2, 1, 1); gone(root + b"/names/" + n); run("rm", "-rf", root + b"/names/" + n)
    say("delete", root + b"/names/x" + n[:200]); run("rm", "-rf", root + b"/names/x" + n[:200])

# mv in all forms
d(b"mv", b"dir"); d(b"mv", b"dir2")
M = root + b"/mv/"
def mv(old, new, *argv, cwd=root + b"/mv"):
    say("rename", old, new); run("mv", *argv, cwd=cwd)
f(b"mv", b"1"); mv(M+b"1", M+b"2", "1", "2")
f(b"mv", b"1"); mv(M+b"1", M+b"2", "1", "2")            # overwriting
mv(M+b"2", M+b"dir/2", "2", "dir/")
mv(M+b"dir/2", M+b"2", "dir/2", ".")
mv(M+b"2", M+b"dir/3", M+b"2", M+b"dir/3", cwd=b"/")
mv(M+b"dir/3", M+b"dir2/4", "../dir/3", "4", cwd=M+b"dir2")
mv(M+b"dir2", M+b"dir/dir3", "dir2", "dir/dir3")           # a directory
say("delete", M+b"dir/dir3/4"); run("rm", "dir3/4", cwd=M+b"dir")
mv(M+b"dir/dir3", M+b"dir2", "dir/dir3", M+b"dir2")
f(b"mv", b"m1"); f(b"mv", b"m2"); say("rename", M+b"m1", M+b"dir2/m1"); say("rename", M+b"m2", M+b"dir2/m2"); run("mv", "-t", "dir2", "m1", "m2", cwd=M)
# a tree is moved, then removed under its new name
tree(d(b"mv", b"tree"), 3, 2, 1); mv(M+b"tree", M+b"dir/wood", "tree", "dir/wood")
gone(M+b"dir/wood"); run("rm", "-rf", M+b"dir/wood")

# raw calls with descriptors on both sides
A, B = d(b"raw", b"A"), d(b"raw", b"B"); a, b = os.open(A, os.O_RDONLY), os.open(B, os.O_RDONLY)
f(b"raw", b"A", b"f"); say("rename", A+b"/f", B+b"/g"); os.rename("f", "g", src_dir_fd=a, dst_dir_fd=b)
say("rename", B+b"/g", A+b"/g"); os.rename("g", "g", src_dir_fd=b, dst_dir_fd=a)
same = ctypes.create_string_buffer(b"g"); say("rename", A+b"/g", B+b"/g"); assert call(264, a, same, b, same) == 0
say("rename", B+b"/g", B+b"/h"); os.rename("g", "h", src_dir_fd=b, dst_dir_fd=b)
f(b"raw", b"A", b"h"); say("rename", B+b"/h", A+b"/h"); os.rename("h", "h", src_dir_fd=b, dst_dir_fd=a)  # overwrites
f(b"raw", b"B", b"k"); say("rename", A+b"/h", B+b"/k")
if call(316, a, b"h", b, b"k", 2): os.rename("h", "k", src_dir_fd=a, dst_dir_fd=b); f(b"raw", b"A", b"h")  # exchange, which NFS has not
say("rename", A+b"/h", A+b"/noreplace")
if call(316, a, b"h", a, b"noreplace", 1): os.rename("h", "noreplace", src_dir_fd=a, dst_dir_fd=a)
say("delete", A+b"/noreplace"); os.unlink("noreplace", dir_fd=a)
say("delete", B+b"/k"); os.unlink(B+b"/k", dir_fd=a)          # absolute with a descriptor
d(b"raw", b"A", b"s"); f(b"raw", b"A", b"s", b"x"); say("delete", A+b"/s/x"); os.unlink("s/x", dir_fd=a)
say("delete", A+b"/s"); os.rmdir("s", dir_fd=a)
os.chdir(A); f(b"raw", b"A", b"c1"); say("rename", A+b"/c1", B+b"/c2"); os.rename("c1", "c2", dst_dir_fd=b)
say("rename", B+b"/c2", A+b"/c3"); os.rename("c2", "c3", src_dir_fd=b)
say("delete", A+b"/c3"); os.unlink("../A/c3"); os.chdir("/")
say("delete", A); os.rmdir("A", dir_fd=os.open(root + b"/raw", 0)); say("delete", B); os.rmdir(B)

# a symlinked parent: the path as it was called
d(b"sym", b"real"); os.symlink("real", root + b"/sym/link"); f(b"sym", b"real", b"z")
say("delete", root + b"/sym/link/z"); run("rm", root + b"/sym/link/z")
say("delete", root + b"/sym/link"); run("rm", root + b"/sym/link")

# a directory whose inode is given to the next one
for i in range(5):
    p = d(b"reuse", b"r%d" % i); f(b"reuse", b"r%d" % i, b"u"); gone(p); run("rm", "-rf", p)

# several at once
ps = []
for i in range(4):
    tree(d(b"par%d" % i), 4, 2, 3); gone(root + b"/par%d" % i)
for i in range(4):
    ps.append(subprocess.Popen(["rm", "-rf", root + b"/par%d" % i] if i % 2 else ["find", root + b"/par%d" % i, "-delete"], cwd="/usr"))
for p in ps: p.wait()

# slowly, so that no later record names the directory in time: the process tells
if sys.argv[3:] == ["slow"]:
    S, S2 = d(b"slow"), d(b"slow2"); s = os.open(S, os.O_RDONLY); s2 = os.open(S2, os.O_RDONLY)
    f(b"slow", b"1"); f(b"slow", b"2"); f(b"slow", b"3")
    say("delete", S + b"/1"); os.unlink("1", dir_fd=s); time.sleep(1.5)
    say("rename", S + b"/2", S2 + b"/2"); os.rename("2", "2", src_dir_fd=s, dst_dir_fd=s2); time.sleep(1.5)
    os.rename(S, root + b"/slower"); say("rename", S, root + b"/slower"); time.sleep(0.1)
    say("delete", root + b"/slower/3"); os.unlink("3", dir_fd=s)
    f(b"slow3"); d(b"slow4"); time.sleep(6)
    say("rename", root + b"/slow3", root + b"/slow4/slow3"); run("mv", "slow3", "slow4/", cwd=root); time.sleep(1.5)

# the rest of the root
left = []
for p, ds, fs in os.walk(root, topdown=False):
    if p == root: continue
    for x in fs: say("delete", os.path.join(p, x))
    say("delete", p)
for x in os.listdir(root): run("rm", "-rf", os.path.join(root, x))
truth.close()
