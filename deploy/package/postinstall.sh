#!/bin/sh
# deb: "configure OLDVERSION"; rpm: number of versions installed, 1 at first.
set -e
unit=auditshipper.service

if [ -z "${DPKG_ROOT:-}" ]; then
	systemd-sysusers /usr/lib/sysusers.d/auditshipper.conf
	systemd-tmpfiles --create /usr/lib/tmpfiles.d/auditshipper.conf || :
fi

running() { [ -d /run/systemd/system ]; }

if running; then
	systemctl daemon-reload
	# One restart: the audit socket stays with systemd, so nothing is missed.
	systemctl try-restart $unit || :
fi

if running && systemctl --quiet is-enabled $unit; then
	exit 0
fi
cat <<'TEXT'

auditshipper is installed and not started. Next:
  1. Say what to watch:   /etc/auditshipper/auditshipper.yaml
  2. Look it over:        auditshipper config check && auditshipper rules plan
  3. Start it:            systemctl enable --now auditshipper
  4. See that it works:   auditshipper status; auditshipper doctor
AWS rights for the instance's role: auditshipper aws policy writer

TEXT
