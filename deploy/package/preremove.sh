#!/bin/sh
# deb: "remove" or "upgrade NEW"; rpm: number of versions that stay, 0 at last.
set -e
case ${1:-remove} in
remove | 0) ;;
*) exit 0 ;; # an upgrade: the new version restarts the service
esac

if [ -d /run/systemd/system ]; then
	systemctl --quiet disable --now auditshipper.service auditshipper.socket || :
fi
# The service keeps its rules when it stops, so that a restart loses nothing.
# Settings go back to what was found in this boot, where no other daemon runs.
auditshipper rules remove --all-ours || echo "auditshipper: its audit rules stay until the next boot" >&2
if [ -d /run/systemd/system ] && systemctl --quiet is-active auditshipper-early.service; then
	systemctl --quiet disable --now auditshipper-early.service || :
fi
exit 0
