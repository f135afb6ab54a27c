"""What the steps of scripts/test-vm share: a machine's state, a workload, and
what of it arrived at the endpoint."""
import json
import os
import pwd
import subprocess
import sys
import time
import urllib.request

ENDPOINT = "http://127.0.0.1:4586"
GROUP = "/auditshipper"
failed = 0


def sh(cmd, check=True):
    r = subprocess.run(cmd, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and r.returncode != 0:
        say(False, f"`{cmd}` exits {r.returncode}: {r.stdout.strip()}")
    return r.stdout.strip()


def say(ok, text):
    global failed
    failed += not ok
    print(("ok    " if ok else "FAIL  ") + text, flush=True)
    return ok


def note(text):
    print("      " + text, flush=True)


def get(path):
    with urllib.request.urlopen(ENDPOINT + "/_logstest/" + path, timeout=20) as r:
        return r.read().decode()


def streams():
    # The stream is the host's name off EC2.
    return [os.uname().nodename]


def events():
    """Every event at the endpoint, as objects."""
    out = []
    for s in streams():
        text = get(f"events?group={GROUP}&stream={s}")
        out += [json.loads(json.loads(line)["message"]) for line in text.splitlines()]
    return out


def deleted():
    return [e["path"] for e in events() if e["action"] == "delete" and e.get("success", True) and "path" in e]


def wait(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def arrive(paths, what, seconds=60):
    """Requires that each path was reported deleted, and says how often."""
    want = set(paths)
    wait(lambda: want <= set(deleted()), seconds)
    got = [p for p in deleted() if p in want]
    missing = sorted(want - set(got))
    say(not missing, f"{what}: {len(want)} deletions, missing {len(missing)}, twice {len(got) - len(set(got))}")
    if missing:
        note("missing, the first of them: " + ", ".join(missing[:5]))


def gaps():
    return [e for e in events() if e["action"] == "gap"]


def make(directory, n, prefix):
    os.makedirs(directory, exist_ok=True)
    paths = [f"{directory}/{prefix}{i:05d}" for i in range(n)]
    for p in paths:
        open(p, "w").close()
    return paths


def remove(paths):
    """Deletes from a new process: this one may have been born before auditing
    was ever on, and is deaf for life then."""
    subprocess.run(["xargs", "rm"], input="\n".join(paths), text=True, cwd="/", check=True)


class Load:
    """Deletes paths at a pace from another process, from its own directory."""

    def __init__(self, paths, rate):
        code = (
            "import os,sys,time\n"
            "rate=float(sys.argv[1]); t=time.monotonic()\n"
            "for i,p in enumerate(sys.stdin.read().split()):\n"
            "    os.unlink(p)\n"
            "    time.sleep(max(0, t+(i+1)/rate-time.monotonic()))\n"
        )
        self.p = subprocess.Popen([sys.executable, "-c", code, str(rate)], stdin=subprocess.PIPE, text=True, cwd="/")
        self.p.stdin.write("\n".join(paths))
        self.p.stdin.close()

    def done(self):
        return self.p.poll() is not None

    def wait(self):
        say(self.p.wait() == 0, "the workload ended")


def start_endpoint():
    sh("systemd-run --unit=endpoint --collect /share/endpoint 127.0.0.1:4586")
    ok = wait(lambda: subprocess.run(["python3", "-c", f"import urllib.request;urllib.request.urlopen('{ENDPOINT}/_logstest/state')"], stderr=subprocess.DEVNULL).returncode == 0, 20)
    say(ok, "the endpoint answers")


def main_pid():
    return int(sh("systemctl show -p MainPID --value auditshipper"))


def process_user(pid):
    return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name


SKIP = ("/proc", "/sys", "/dev", "/run", "/tmp", "/share", "/out", "/mnt/efs", "/srv/efs", "/root", "/var/log", "/var/cache",
        "/var/lib/dpkg", "/var/lib/systemd", "/var/lib/nfs", "/var/tmp", "/lost+found")


def files():
    """Every path of the machine, but for what changes by itself."""
    out = []
    for top, dirs, names in os.walk("/"):
        dirs[:] = [d for d in dirs if os.path.join(top, d) not in SKIP]
        out += [os.path.join(top, n) for n in dirs + names]
    return sorted(out)


def state():
    """What removal must leave as it was."""
    return {
        "rules": sh("auditctl -l"),
        "enabled and daemon": sh("auditctl -s | grep -E '^(enabled|failure|backlog_limit|backlog_wait_time) '"),
        "users": open("/etc/passwd").read(),
        "groups": open("/etc/group").read(),
        "units": sh("systemctl list-unit-files --no-legend --plain | awk '{print $1, $2}' | grep -v -E '^(endpoint|vm-run|run-)'"),
        "files": files(),
        "sockets": sh("ss -xlH | awk '{print $5}' | grep -i auditshipper; true"),
        "processes": sh("pgrep -a auditshipper; true"),
    }


def compare(before, after):
    for k in before:
        a, b = before[k], after[k]
        if a == b:
            say(True, f"{k} as before")
            continue
        a, b = (x if isinstance(x, list) else x.splitlines() for x in (a, b))
        say(False, f"{k}: gone {sorted(set(a) - set(b))[:10]}, new {sorted(set(b) - set(a))[:10]}")


def finish():
    print(f"{'PASS' if not failed else 'FAIL'}: {failed} checks failed", flush=True)
    sys.exit(1 if failed else 0)
