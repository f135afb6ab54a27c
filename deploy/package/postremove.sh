#!/bin/sh
# deb: "remove", "purge", "upgrade NEW"; rpm: number of versions that stay.
set -e
state=/var/lib/auditshipper

gone() {
	[ -d /run/systemd/system ] && systemctl daemon-reload
	rm -rf /run/auditshipper
}

# A removed user's numbers are given to the next one, so nothing may stay his.
remove_user() {
	userdel auditshipper 2>/dev/null || :
	groupdel auditshipper 2>/dev/null || :
}

case ${1:-} in
remove)
	gone # the state and the user stay until purge
	;;
purge)
	rm -rf $state /etc/auditshipper /run/auditshipper
	remove_user
	;;
0)
	gone
	# rpm has no purge. What is not delivered yet is evidence, so it stays, as root's.
	[ ! -d $state ] || chown -R root:root $state
	remove_user
	;;
esac
exit 0
