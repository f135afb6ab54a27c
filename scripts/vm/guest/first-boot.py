"""Install, watch an EFS-like NFS, survive auditd's restart, kills and an upgrade."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from checks import *  # noqa: E402,F403

print("== before", flush=True)
say(sh("systemctl is-active auditd") == "active", "auditd runs")
say("nfs4" in sh("findmnt -no FSTYPE /mnt/efs"), "NFSv4 is mounted on /mnt/efs")
os.makedirs("/root/test", exist_ok=True)
os.makedirs("/etc/credstore", mode=0o700, exist_ok=True)
json.dump(state(), open("/root/test/before.json", "w"))
start_endpoint()

print("== install, edit one line, start", flush=True)
out = sh("dpkg -i /share/old/auditshipper_*_amd64.deb")
say("systemctl enable --now auditshipper" in out, "the installation tells what to do next")
say(sh("systemctl is-active auditshipper", check=False) == "inactive", "it is not started by itself")
sh("sed -i 's|^watches: .*|watches: [{path: /mnt/efs}]|' /etc/auditshipper/auditshipper.yaml")
with open("/etc/auditshipper/environment", "w") as f:  # stands for the instance
    f.write(f"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS={ENDPOINT}\nAWS_REGION=eu-west-1\nAWS_EC2_METADATA_DISABLED=true\n")
with open(os.open("/etc/credstore/auditshipper.aws", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
    f.write("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
sh("auditshipper config check")
t = time.monotonic()
sh("systemctl enable --now auditshipper")
note(f"started in {time.monotonic() - t:.1f} s")
if not say(sh("systemctl is-active auditshipper", check=False) == "active", "it runs"):
    note(sh("journalctl -u auditshipper --no-pager -o cat | tail -20").replace("\n", "\n      "))
    finish()

print("== its rights", flush=True)
say(process_user(main_pid()) == "auditshipper", f"it runs as {process_user(main_pid())}")
note(" ".join(sh(f"grep -E '^Cap(Eff|Amb|Bnd)' /proc/{main_pid()}/status").split()))
units = "auditshipper.service auditshipper.socket auditshipper-early.service"
verify = sh(f"systemd-analyze verify {units}")
say(verify == "", "systemd-analyze verify is clean" + (": " + verify if verify else ""))
figure = sh("systemd-analyze security --no-pager auditshipper | tail -1")
say(float(figure.split(":")[1].split()[0]) <= 2.0, figure.lstrip("→-> "))
note(sh("auditshipper status", check=False).replace("\n", "\n      "))

print("== deletions on NFS", flush=True)
flat = make("/mnt/efs/flat", 20, "f")
tree = make("/mnt/efs/tree/a/b/c", 5, "f") + make("/mnt/efs/tree/a", 5, "g")
remove(flat)
sh("cd / && rm -rf /mnt/efs/tree")
arrive(flat + tree + ["/mnt/efs/tree/a/b/c", "/mnt/efs/tree/a/b", "/mnt/efs/tree/a", "/mnt/efs/tree"], "files and rm -rf of a tree, by true paths")

print("== auditd restarted under it", flush=True)
paths = make("/mnt/efs/auditd", 20, "f")
before = sh("systemctl show -p MainPID --value auditd")
os.kill(int(before), signal.SIGKILL)
sh("systemctl reset-failed auditd; systemctl start auditd", check=False)
wait(lambda: sh("systemctl show -p MainPID --value auditd") not in ("0", before), 20)
say(sh("systemctl show -p MainPID --value auditd") not in ("0", before), "auditd was killed and started again")
time.sleep(2)  # the promise is two seconds
remove(paths)
arrive(paths, "deletions two seconds after auditd's start")

print("== SIGKILL and restart under load", flush=True)
paths = make("/mnt/efs/kill", 1500, "k")
load = Load(paths, 150)
for i in range(3):
    time.sleep(1.5)
    if i < 2:
        sh("systemctl kill -s KILL auditshipper")
    else:
        sh("systemctl restart auditshipper")
load.wait()
arrive(paths, "two SIGKILLs and a restart during it", 120)

print("== upgrade under load", flush=True)
paths = make("/mnt/efs/upgrade", 2000, "u")
load = Load(paths, 40)
time.sleep(2)
old = main_pid()
sh("dpkg -i /share/new/auditshipper_*_amd64.deb")
say(not load.done(), "the upgrade ended before the workload did")
say(main_pid() not in (0, old), "the new version runs: " + sh("auditshipper version"))
load.wait()
arrive(paths, "an upgrade during it", 120)
say("path: /mnt/efs" in open("/etc/auditshipper/auditshipper.yaml").read(), "the edited configuration was kept")

for g in gaps():
    note("gap: " + json.dumps(g))
status = json.loads(get("state"))
say(not status["violations"], f"the endpoint took {status['accepted']} events, violations {len(status['violations'] or [])}")
note("calls " + json.dumps(status["calls"]))
sh("journalctl -u auditshipper --no-pager -o cat > /out/first-boot.log; cp /etc/auditshipper/auditshipper.yaml /out/", check=False)
finish()
