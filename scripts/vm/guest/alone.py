"""A host without auditd: the daemon is the kernel's audit daemon itself."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from checks import *  # noqa: E402,F403


def kernel(what):
    return sh(f"auditctl -s | awk '$1 == \"{what}\" {{print $2}}'")


def install():
    sh("dpkg -i /share/old/auditshipper_*_amd64.deb")
    sh("sed -i 's|^watches: .*|watches: [{path: /mnt/efs}]|' /etc/auditshipper/auditshipper.yaml")
    with open("/etc/auditshipper/environment", "w") as f:
        f.write(f"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS={ENDPOINT}\nAWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=test\n"
                "AWS_EC2_METADATA_DISABLED=true\n")


print("== before", flush=True)
say(kernel("enabled") == "0", "auditing is off, as on a host without auditd")
before = state()
start_endpoint()
install()
t = time.monotonic()
sh("systemctl enable --now auditshipper")
first = make("/mnt/efs/first", 1, "f")
remove(first)
arrive(first, "the first deletion")
note(f"{time.monotonic() - t:.1f} s from `systemctl enable --now` to its arrival")
say(kernel("pid") == str(main_pid()), "it is the registered audit daemon")
s = json.loads(sh("auditshipper status --json"))
say(s["source"]["mode"] == "unicast" and s["source"]["receive_buffer"] >= 64 << 20, f"mode {s['source']['mode']}, receive buffer {s['source']['receive_buffer'] >> 20} MiB without CAP_NET_ADMIN")

print("== SIGKILL and restart under load", flush=True)
paths = make("/mnt/efs/kill", 1500, "k")
load = Load(paths, 150)
for how in ("kill -s KILL auditshipper", "kill -s KILL auditshipper", "restart auditshipper"):
    time.sleep(1.5)
    sh("systemctl " + how)
load.wait()
arrive(paths, "two SIGKILLs and a restart during it", 120)
say(kernel("lost") == "0", f"the kernel lost {kernel('lost')}")

print("== stop lets go, and auditd starts", flush=True)
sh("systemctl stop auditshipper")
sh("/usr/sbin/auditd")
say(wait(lambda: kernel("pid") == sh("pidof auditd", check=False), 10), "auditd is the registered audit daemon")
sh("systemctl start auditshipper")
s = json.loads(sh("auditshipper status --json"))
say(s["source"]["mode"] == "multicast", "mode multicast beside auditd")
paths = make("/mnt/efs/beside", 20, "b")
remove(paths)
arrive(paths, "deletions beside auditd")
sh("kill $(pidof auditd); sleep 1", check=False)

for g in gaps():
    note("gap: " + json.dumps(g))

print("== purge", flush=True)
sh("dpkg --purge auditshipper")
after = state()
compare(before, after)
sh("journalctl -u auditshipper -u auditshipper-early --no-pager -o cat > /out/alone.log", check=False)

# For the second boot: installed again, and not started. The early unit runs only
# where there is no auditd.
os.makedirs("/root/test", exist_ok=True)
with open("/root/test/before.json", "w") as f:
    json.dump(before, f)
sh("mv /usr/sbin/auditd /root/test/")
install()
sh("systemctl enable auditshipper")
sh("sync")
finish()
