"""Mounts that come and go, auditd's restart, auditctl -D and a hanging server: a
deletion two seconds after each arrives."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from checks import *  # noqa: E402,F403

step = 0


def delivered(what, directory="/mnt/efs", patience=2):
    """Deletes in a directory two seconds after what was done."""
    global step
    step += 1
    time.sleep(patience)
    paths = make(f"{directory}/step{step}", 5, "f")
    remove(paths)
    arrive(paths, what)


def status():
    return json.loads(sh("auditshipper status --json", check=False))


print("== the daemon starts before the mount", flush=True)
start_endpoint()
sh("dpkg -i /share/old/auditshipper_*_amd64.deb")
os.makedirs("/srv/local", exist_ok=True)
sh("sed -i 's|^watches: .*|watches: [{path: /mnt/efs, key: efs_changes}, {path: /srv/local, key: local}]|' /etc/auditshipper/auditshipper.yaml")
with open("/etc/auditshipper/environment", "w") as f:
    f.write(f"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS={ENDPOINT}\nAWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=test\n"
            "AWS_EC2_METADATA_DISABLED=true\n")
sh("systemctl enable --now auditshipper")
say(sh("systemctl is-active auditshipper", check=False) == "active", "it runs although nothing is mounted")
say("/mnt/efs" not in sh("auditctl -l"), "no rule is armed on the empty directory below")
note(sh("auditshipper status", check=False).replace("\n", "\n      "))

print("== mounts", flush=True)
sh("efs-mount")
delivered("mounted after the start")
sh("umount /mnt/efs")
time.sleep(2)
say("/mnt/efs" not in sh("auditctl -l"), "unmounted: no rule is left on the directory below")
sh("efs-mount")
delivered("unmounted and mounted again")
busy = subprocess.Popen(["sleep", "1000"], cwd="/mnt/efs")
sh("umount -l /mnt/efs; efs-mount")
delivered("unmounted lazily while busy, and mounted again")
busy.kill()
busy.wait()
delivered("the last user of the old mount ended")
os.makedirs("/mnt/efs/sub", exist_ok=True)
sh("mount -t tmpfs none /mnt/efs/sub")
delivered("a tmpfs mounted below", "/mnt/efs/sub")
sh("umount /mnt/efs/sub")
delivered("and unmounted", "/mnt/efs/sub")
os.makedirs("/srv/elsewhere", exist_ok=True)
sh("mount --bind /srv/elsewhere /mnt/efs/sub")
delivered("a bind mount below", "/mnt/efs/sub")
sh("umount /mnt/efs/sub")
sh("mount -t tmpfs none /mnt/efs")
delivered("a tmpfs mounted over the watched path")
sh("umount /mnt/efs")
delivered("and unmounted")

print("== others change the rules", flush=True)
before = sh("systemctl show -p MainPID --value auditd")
os.kill(int(before), signal.SIGKILL)
sh("systemctl reset-failed auditd; systemctl start auditd", check=False)
wait(lambda: sh("systemctl show -p MainPID --value auditd") not in ("0", before), 20)
delivered("auditd started again (augenrules)")
sh("auditctl -D")
delivered("auditctl -D")
sh("auditctl -a never,task")
time.sleep(2)
note("never,task: " + sh("auditshipper status", check=False).replace("\n", "\n      "))
sh("auditctl -d never,task", check=False)
repairs = [e for e in events() if e["action"] == "rules"]
say(repairs != [], f"{len(repairs)} events tell of rules, such as {json.dumps(repairs[-1]) if repairs else ''}")

print("== the server hangs", flush=True)
sh("systemctl stop nfs-server")
stuck = subprocess.Popen(["ls", "-l", "/mnt/efs/hang"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(3)
delivered("deletions elsewhere while the NFS server hangs", "/srv/local", 0)
t = time.monotonic()
status()
took = time.monotonic() - t
say(took < 2, f"status answers in {took * 1000:.0f} ms, start of the program included")
pid = main_pid()
sh("auditctl -D")
delivered("auditctl -D while it hangs", "/srv/local")
say(main_pid() == pid, "the daemon was not restarted by its watchdog")
sh("systemctl start nfs-server")
stuck.wait()
delivered("the server is back")

for g in gaps():
    note("gap: " + json.dumps(g))
state = json.loads(get("state"))
say(not state["violations"], f"the endpoint took {state['accepted']} events, violations {len(state['violations'] or [])}")
sh("journalctl -u auditshipper --no-pager -o cat > /out/mounts.log", check=False)
finish()
