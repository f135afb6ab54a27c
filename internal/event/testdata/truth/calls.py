#!/usr/bin/env python3
"""Makes every kind of call that names files below ROOT, by itself and through
the usual programs. What it truly did is for strace to say. Usage: calls.py ROOT"""
import ctypes, os, shutil, subprocess, sys, threading, time
root = os.fsencode(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
AT, NR = -100, dict(open=2, creat=85, rename=82, mkdir=83, rmdir=84, link=86, unlink=87, symlink=88, chmod=90, chown=92, lchown=94, utime=132,
    mknod=133, truncate=76, mount=165, umount2=166, setxattr=188, lsetxattr=189, fsetxattr=190, removexattr=197, lremovexattr=198,
    fremovexattr=199, utimes=235, openat=257, mkdirat=258, mknodat=259, fchownat=260, futimesat=261, unlinkat=263, renameat=264, linkat=265,
    symlinkat=266, fchmodat=268, utimensat=280, renameat2=316, openat2=437, fchmodat2=452)
def raw(name, *args):
    r = libc.syscall(NR[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return r
def make(where, name, flags=os.O_CREAT):   # NFS keeps a file that is deleted while it is open, and its directory
    fd = raw("openat", where, name, flags | os.O_WRONLY, 0o644)
    if fd >= 0: os.close(fd)
def at(*names): return os.path.join(root, *names)
def tool(*argv, cwd="/usr", ok=True, **kw):
    r = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **kw)
    if ok and r.returncode: print("failed", argv, r.returncode, r.stderr)
def touch(p): os.makedirs(os.path.dirname(p), exist_ok=True); open(p, "wb").close()
def tree(top, depth, width, files):
    os.makedirs(top, exist_ok=True)
    for i in range(files): touch(os.path.join(top, b"f%d" % i))
    if depth > 1:
        for i in range(width): tree(os.path.join(top, b"d%d" % i), depth - 1, width, files)
def python(code, *args, cwd="/usr"): tool(sys.executable, "-I", "-c", code, *args, cwd=cwd)

NAMES = [b"plain", b"with space", b'quo"te', b"apo'strophe", b"new\nline", "gr\u00fc\u00dfe".encode(), b"inv\xff\xfealid", b"n" * 255, b"(null)", b"back\\slash", b"4142", b" lead", b"trail "]

# raw calls: absolute, from the working directory, from descriptors, and absolute with one
def calls(a, b):
    os.makedirs(a); os.makedirs(b)
    fa, fb = os.open(a, os.O_RDONLY), os.open(b, os.O_RDONLY)
    os.chdir(a)
    ways = [(AT, a + b"/", AT, b + b"/"), (AT, b"", AT, b"../" + os.path.basename(b) + b"/"), (fa, b"", fb, b""), (fa, a + b"/", fb, b + b"/"), (fa, b"sub/", fb, b"sub/")]
    os.mkdir(a + b"/sub"); os.mkdir(b + b"/sub")
    for k, (da, pa, db, pb) in enumerate(ways):
        for n in NAMES:
            p, q, m = pa + n, pb + n, pb + b"x" + n[:200]
            raw("mkdirat", da, p, 0o755); raw("fchmodat", da, p, 0o700); raw("renameat", da, p, db, m); raw("unlinkat", db, m, 0x200)
            fd = raw("openat", da, p, os.O_CREAT | os.O_RDWR, 0o644); os.write(fd, b"x"); os.close(fd)
            fd = raw("openat", da, p, os.O_RDONLY, 0); os.close(fd)
            how = (ctypes.c_uint64 * 3)(os.O_WRONLY | os.O_TRUNC, 0, 0); fd = raw("openat2", da, p, how, 24)
            if fd >= 0: os.close(fd)
            raw("fchmodat", da, p, 0o600); raw("fchmodat2", da, p, 0o640, 0); raw("fchownat", da, p, 1, 1, 0)
            raw("utimensat", da, p, None, 0); raw("futimesat", da, p, None)
            raw("linkat", da, p, db, q, 0); raw("linkat", da, p, db, q, 0)            # the second fails
            raw("symlinkat", b"target of it", db, m); raw("fchownat", db, m, 1, 1, 0x100)
            raw("renameat2", db, m, da, p, 2)                                           # exchange
            raw("renameat2", db, m, db, q, 1)                                           # EEXIST
            raw("renameat", db, m, db, q)                                               # one file, nothing happens, or overwrites
            raw("unlinkat", da, p, 0); raw("unlinkat", da, p, 0); raw("unlinkat", db, q, 0); raw("unlinkat", db, m, 0)
            raw("mknodat", da, p, 0o010600, 0); raw("unlinkat", da, p, 0)
            if da == AT:
                raw("mkdir", p, 0o755); raw("chmod", p, 0o700); raw("rename", p, m); raw("rmdir", m)
                fd = raw("creat", p, 0o644); os.close(fd); fd = raw("open", p, os.O_WRONLY | os.O_APPEND, 0); os.close(fd)
                raw("chmod", p, 0o600); raw("chown", p, 1, 1); raw("lchown", p, 2, 2); raw("truncate", p, 5); raw("utime", p, None); raw("utimes", p, None)
                raw("setxattr", p, b"user.k", b"v", 1, 0); raw("lsetxattr", p, b"trusted.k", b"v", 1, 0)
                raw("removexattr", p, b"user.k"); raw("lremovexattr", p, b"trusted.k")
                raw("link", p, q); raw("symlink", b"../x", m); raw("rename", q, m); raw("unlink", m); raw("unlink", p); raw("unlink", q); raw("unlink", m)
                raw("mknod", p, 0o010600, 0); raw("unlink", p)
    # one string for both names, and one name in both directories
    for n in NAMES:
        s = ctypes.create_string_buffer(n)
        touch(a + b"/" + n); raw("renameat", fa, s, fb, s); raw("renameat2", fb, n, fa, n + b"", 0); touch(b + b"/" + n); raw("renameat", fb, n, fa, n); raw("linkat", fa, s, fb, s, 0)
        raw("unlinkat", fa, s, 0); raw("unlinkat", fb, s, 0)
    # links on the way
    os.symlink(b"../" + os.path.basename(b), a + b"/way"); os.symlink(b + b"/end", a + b"/last"); touch(b + b"/end")
    make(AT, a + b"/way/made"); make(AT, a + b"/last")
    make(fa, b"last"); raw("unlinkat", fb, b"made", 0); raw("unlinkat", fa, b"way/end", 0)
    make(AT, a + b"/last"); raw("unlinkat", fb, b"end", 0); raw("unlinkat", fa, b"last", 0)
    os.symlink(b + b"/end", a + b"/last")
    for flags in (os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_TRUNC):   # made through a link that leads nowhere, then opened through it
        make(fa, b"last", flags); raw("fchmodat", fa, b"last", 0o600)
    touch(b + b"/other"); raw("unlinkat", fb, b"other", 0); raw("unlinkat", fb, b"end", 0); raw("unlinkat", fa, b"last", 0)
    os.chdir("/"); os.close(fa); os.close(fb)
for i in range(2): calls(at(b"calls%d" % i, b"A"), at(b"calls%d" % i, b"B and more"))

# descriptors of files
f = at(b"fd", b"file"); touch(f); fd = os.open(f, os.O_RDWR)
os.fchmod(fd, 0o600); os.fchown(fd, 1, 1); os.ftruncate(fd, 10); raw("fsetxattr", fd, b"trusted.k", b"v", 1, 0); raw("fremovexattr", fd, b"trusted.k"); os.close(fd)

# mounts: a view of another directory, deleted in through both, and one on top
if libc.unshare(0x00020000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0:
    tree(at(b"mnt", b"real"), 3, 2, 2); os.makedirs(at(b"mnt", b"view"))
    raw("mount", at(b"mnt", b"real"), at(b"mnt", b"view"), b"", 4096, None)
    tool("rm", "-rf", at(b"mnt", b"view", b"d0")); tool("rm", "-rf", at(b"mnt", b"real", b"d1", b"d0"))
    touch(at(b"mnt", b"view", b"x")); tool("mv", at(b"mnt", b"view", b"x"), at(b"mnt", b"view", b"d1", b"y")); tool("find", at(b"mnt", b"view", b"d1"), "-delete")
    raw("umount2", at(b"mnt", b"view"), 2); tool("rm", "-rf", at(b"mnt"))

# programs
def programs(top, n):
    tree(top + b"/t30", 30, 1, 2); tool("rm", "-rf", top + b"/t30")
    tree(top + b"/rel", 4, 2, 2); tool("rm", "-rf", "rel", cwd=top)
    tree(top + b"/f30", 30, 1, 2); tool("find", top + b"/f30", "-delete")
    tree(top + b"/f", 4, 2, 2); tool("find", "f", "-type", "f", "-delete", cwd=top); tool("find", "f", "-delete", cwd=top)
    tree(top + b"/p30", 30, 1, 2); python("import shutil,sys; shutil.rmtree(sys.argv[1])", top + b"/p30")
    tree(top + b"/p", 4, 2, 2); python("import shutil; shutil.rmtree('p')", cwd=top)
    for x in NAMES:
        tree(os.path.join(top, b"names", x), 2, 1, 1); touch(os.path.join(top, b"names", b"y" + x[:200])); tool("mv", "--", b"y" + x[:200], x, cwd=top + b"/names")
    tool("cp", "-a", top + b"/names", top + b"/copy"); tool("chmod", "-R", "go-rwx", top + b"/copy"); tool("chown", "-R", "1:1", top + b"/copy")
    tool("tar", "-C", top, "-cf", top + b"/a.tar", "names"); os.mkdir(top + b"/x"); tool("tar", "-C", top + b"/x", "-xf", top + b"/a.tar"); tool("tar", "-xf", "../a.tar", cwd=top + b"/x")
    if shutil.which("rsync"):
        tool("rsync", "-a", top + b"/copy/", top + b"/mirror"); shutil.rmtree(top + b"/copy/plain"); touch(top + b"/copy/more"); tool("rsync", "-a", "--delete", "copy/", "mirror", cwd=top)
    env = dict(os.environ, HOME="/nonexistent", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a")
    if shutil.which("git"):
        def git(*argv): tool("git", *argv, cwd=top + b"/repo", env=env)
        tree(top + b"/repo/src", 3, 2, 2); git("init", "-q", "."); git("add", "-A"); git("commit", "-qm", "1"); git("checkout", "-qb", "other")
        git("mv", "src/d0", "src/moved"); git("rm", "-rq", "src/d1"); git("commit", "-qam", "2"); git("checkout", "-q", "-"); git("merge", "-q", "other"); git("gc", "-q"); git("clean", "-fdxq")
    tool("rm", "-rf", "names", "copy", "x", "mirror", cwd=top); tool("sh", "-c", "rm -rf * .g*", cwd=top)
programs(at(b"one at a time"), 0)
os.makedirs(at(b"at once"))
kids = []
for i in range(4):
    pid = os.fork()
    if pid == 0:
        programs(at(b"at once", b"%d" % i), i); os._exit(0)
    kids.append(pid)
for pid in kids: os.waitpid(pid, 0)
tool("rm", "-rf", *[at(x) for x in os.listdir(root)])
