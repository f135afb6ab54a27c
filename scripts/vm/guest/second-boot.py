"""The same machine after a reboot: it works by itself, and purge leaves nothing."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from checks import *  # noqa: E402,F403

print("== after a reboot", flush=True)
start_endpoint()
wait(lambda: sh("systemctl is-active auditshipper", check=False) == "active", 30)
say(sh("systemctl is-active auditshipper", check=False) == "active", "it was started by the boot")
paths = make("/mnt/efs/reboot", 20, "r")
remove(paths)
arrive(paths, "deletions after the reboot")

print("== stop lets go", flush=True)
sh("systemctl stop auditshipper")
say(sh("systemctl is-active auditshipper.service auditshipper.socket", check=False).split() == ["inactive"] * 2, "service and socket are inactive")
say(sh("systemctl is-active auditd") == "active", "auditd still runs")
sh("systemctl start auditshipper")

print("== purge", flush=True)
os.unlink("/etc/credstore/auditshipper.aws")  # ours, not the package's
sh("dpkg --purge auditshipper")
compare(json.load(open("/root/test/before.json")), state())
sh("journalctl -u auditshipper --no-pager -o cat > /out/second-boot.log", check=False)
finish()
