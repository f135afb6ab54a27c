"""The host without auditd after a reboot: auditing is on early, and purge
switches it off again."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from checks import *  # noqa: E402,F403

print("== after a reboot", flush=True)
start_endpoint()
say(wait(lambda: sh("systemctl is-active auditshipper", check=False) == "active", 60), "the boot started it")
say(sh("systemctl is-active auditshipper-early", check=False) == "active", "auditshipper-early ran")
found = json.loads(sh("cat /var/lib/auditshipper/kernel.found"))
say([s for s in found["settings"] if s["option"] == "e"] == [{"option": "e", "found": 0, "set": 1, "by": "apply"}], "auditing was switched on early, and that was noted")
figure = sh("systemd-analyze security --no-pager auditshipper-early | tail -1")
note(figure)
paths = make("/mnt/efs/reboot", 20, "r")
remove(paths)
arrive(paths, "deletions after the reboot")

print("== a stop and a start", flush=True)
sh("systemctl stop auditshipper")
say(sh("auditctl -s | awk '$1 == \"enabled\" {print $2}'") == "1", "auditing stays on, as the boot had switched it")
sh("systemctl start auditshipper")

print("== purge", flush=True)
sh("dpkg --purge auditshipper")
sh("mv /root/test/auditd /usr/sbin/")
compare(json.load(open("/root/test/before.json")), state())
sh("journalctl -u auditshipper -u auditshipper-early --no-pager -o cat > /out/alone-rebooted.log", check=False)
finish()
