package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// inventedRecords are what records look like: a word in braces stands for one of
// the values that a choice of that name has, or for a number.
const inventedRecords = `
USER pid={n} uid={uid} auid={uid} ses={ses} subj={label} msg='text={word} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
LOGIN pid={n} uid={uid} subj={label} old-auid={uid} auid={uid} tty={tty} old-ses={ses} ses={ses} res={bool}
USER_AUTH pid={n} uid={uid} auid={uid} ses={ses} subj={label} msg='op=PAM:authentication grantors=pam_unix acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_ACCT pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:accounting grantors={word},{word} acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_MGMT pid={n} uid={uid} auid={uid} ses={ses} msg='op=changing-{word} id={uid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CRED_ACQ pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:setcred acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CRED_DISP pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:setcred acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CRED_REFR pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:setcred acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_START pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:session_open acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_END pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:session_close acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_LOGIN pid={n} uid={uid} auid={uid} ses={ses} msg='op=login id={uid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_LOGIN pid={n} uid={uid} auid={uid} ses={ses} msg='op=login acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_LOGOUT pid={n} uid={uid} auid={uid} ses={ses} msg='op=login id={uid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_ERR pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:bad_ident acct="?" exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_CHAUTHTOK pid={n} uid={uid} auid={uid} ses={ses} msg='op=PAM:chauthtok acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USER_AVC pid={n} uid={uid} auid={uid} ses={ses} subj={label} msg='avc:  denied  { send_msg } for msgtype=method_call interface={word} dest=:1.2 spid={n} tpid={n} scontext={label} tcontext={label} tclass=dbus permissive=0 exe={name} sauid={uid} hostname={host} addr={ip} terminal={tty}'
USER_AVC pid={n} uid={uid} auid={uid} ses={ses} msg='apparmor="DENIED" operation="dbus_method_call"  bus="system" path="/org" name="x" mask="send" pid={n} label="snap" exe={name} sauid={uid} hostname={host} addr={ip} terminal={tty}'
USER_CMD pid={n} uid={uid} auid={uid} ses={ses} msg='cwd={name} cmd={hex} exe={name} terminal={tty} res={res}'
USER_TTY pid={n} uid={uid} auid={uid} ses={ses} data={typed}
TTY tty pid={n} uid={uid} auid={uid} ses={ses} major=136 minor={small} comm={name} data={typed}
USER_SELINUX_ERR pid={n} uid={uid} auid={uid} ses={ses} msg='op=security_compute_av reason=bounds scontext={label} tcontext={label} tclass=file perms={word},{word}'
USER_DEVICE pid={n} uid={uid} auid={uid} ses={ses} msg='op={word} device={hex} uuid=0-1 exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
USYS_CONFIG pid={n} uid={uid} auid={uid} ses={ses} msg='op={word} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
SOFTWARE_UPDATE pid={n} uid={uid} auid={uid} ses={ses} msg='op={word} sw={name} sw_type=rpm key_enforce=0 gpg_res={bool} root_dir={name} comm={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
ADD_USER pid={n} uid={uid} auid={uid} ses={ses} msg='op=adding user id={uid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
DEL_USER pid={n} uid={uid} auid={uid} ses={ses} msg='op=deleting-user acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
ADD_GROUP pid={n} uid={uid} auid={uid} ses={ses} msg='op=add-group id={gid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
DEL_GROUP pid={n} uid={uid} auid={uid} ses={ses} msg='op=delete-group acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
GRP_MGMT pid={n} uid={uid} auid={uid} ses={ses} msg='op=changing-{word} grp={name} new_group={name} new_gid={gid} acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
GRP_AUTH pid={n} uid={uid} auid={uid} ses={ses} msg='op=x acct={acct} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
ACCT_LOCK pid={n} uid={uid} auid={uid} ses={ses} msg='op=locked-password id={uid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CHUSER_ID pid={n} uid={uid} auid={uid} ses={ses} msg='op=x acct={acct} exe={name} res={res}'
TRUSTED_APP pid={n} uid={uid} auid={uid} ses={ses} msg='a={acct} b={n} c={hex} res={res}'
SYSTEM_BOOT pid={n} uid={uid} auid={uid} ses={ses} msg=' comm={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
SYSTEM_SHUTDOWN pid={n} uid={uid} auid={uid} ses={ses} msg=' comm={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
SYSTEM_RUNLEVEL pid={n} uid={uid} auid={uid} ses={ses} msg='old-level=N new-level=5 comm={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
SERVICE_START pid={n} uid={uid} auid={uid} ses={ses} subj={label} msg='unit={word} comm={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
SERVICE_STOP pid={n} uid={uid} auid={uid} ses={ses} msg='unit={word} comm={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
DAEMON_START op=start ver=3.0.9 format=enriched kernel=6.1 auid={uid} pid={n} uid={uid} ses={ses} subj={label} res=success
DAEMON_END op=terminate auid={uid} uid={uid} ses={ses} pid={n} subj={label} res=success
DAEMON_ABORT op=x auid={uid} pid={n} res=failed
DAEMON_CONFIG op=reconfigure state=changed auid={uid} pid={n} subj={label} res=success
DAEMON_ROTATE op=rotate-logs auid={uid} uid={uid} ses={ses} pid={n} subj={label} res={bool}
DAEMON_ACCEPT op=accept addr={ip} port={n} res=success
DAEMON_CLOSE addr={ip} port={n} res=success
CONFIG_CHANGE auid={uid} ses={ses} subj={label} op=add_rule key={key} list={small} res={bool}
CONFIG_CHANGE auid={uid} ses={ses} op=remove_rule dir={name} key={key} list={small} res={bool}
CONFIG_CHANGE op=set audit_backlog_limit={n} old={n} auid={uid} ses={ses} subj={label} res={bool}
CONFIG_CHANGE op=set audit_enabled={bool} old={bool} auid={uid} ses={ses} res={bool}
CONFIG_CHANGE op=set audit_pid={n} old=0 auid={uid} ses={ses} res={bool}
CONFIG_CHANGE op=set audit_failure={small} old=1 auid={uid} ses={ses} res={bool}
CONFIG_CHANGE op=seccomp-logging actions=kill,trap old-actions=log,{word} res={bool}
CONFIG_CHANGE op=tty_set old-enabled=0 new-enabled=1 old-log_passwd=0 new-log_passwd=0 res={bool}
CONFIG_CHANGE op=updated_rules path={name} key={key} list={small} res={bool}
FEATURE_CHANGE pid={n} uid={uid} auid={uid} tty={tty} ses={ses} subj={label} comm={name} exe={name} feature=loginuid_immutable old=0 new=1 old_lock=0 new_lock=1 res={bool}
SECCOMP auid={uid} uid={uid} gid={gid} ses={ses} subj={label} pid={n} comm={name} exe={name} sig={sig} arch={arch} syscall={call} compat=0 ip=0x7f1 code={code}
SECCOMP auid={uid} uid={uid} gid={gid} ses={ses} pid={n} comm={name} exe={name} sig={sig} arch={arch} syscall={call} compat=0 ip=0x7f1 code={code}
ANOM_ABEND auid={uid} uid={uid} gid={gid} ses={ses} subj={label} pid={n} comm={name} exe={name} sig={sig} res={bool}
ANOM_PROMISCUOUS dev={word} prom={small} old_prom={small} auid={uid} uid={uid} gid={gid} ses={ses}
ANOM_LINK op=follow_link ppid={n} pid={n} auid={uid} uid={uid} gid={gid} euid={uid} suid={uid} fsuid={uid} egid={gid} sgid={gid} fsgid={gid} tty={tty} ses={ses} comm={name} exe={name} subj={label} res={bool}
ANOM_EXEC pid={n} uid={uid} auid={uid} ses={ses} msg='op=x cmd={hex} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
ANOM_LOGIN_FAILURES pid={n} uid={uid} auid={uid} ses={ses} msg='pam_faillock uid={uid} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
ANOM_RBAC_INTEGRITY_FAIL pid={n} uid={uid} auid={uid} ses={ses} msg='added={small} removed={small} changed={small} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
INTEGRITY_DATA pid={n} uid={uid} auid={uid} ses={ses} subj={label} op=appraise_data cause=invalid-signature comm={name} name={name} dev="sda1" ino={n} res={bool}
INTEGRITY_PCR pid={n} uid={uid} auid={uid} ses={ses} op=add_boot_aggregate cause={word} comm={name} name={name} res={bool}
INTEGRITY_RULE file={name} hash="sha256:ab" ppid={n} pid={n} auid={uid} uid={uid} gid={gid} ses={ses} comm={name} exe={name}
AVC avc:  denied  { read write } for  pid={n} comm={name} name={name} dev="sda1" ino={n} scontext={label} tcontext={label} tclass=file permissive=0
AVC avc:  granted  { open } for  pid={n} comm={name} path={name} dev="sda1" ino={n} scontext={label} tcontext={label} tclass=dir
AVC avc:  denied  { name_bind } for  pid={n} comm={name} saddr={ip} src={n} capability={small} ioctlcmd={ioctl} scontext={label} tcontext={label} tclass=tcp_socket
MAC_POLICY_LOAD policy loaded auid={uid} ses={ses} lsm=selinux res={bool}
MAC_STATUS enforcing={bool} old_enforcing={bool} auid={uid} ses={ses} enabled=1 old-enabled=1 lsm=selinux res={bool}
MAC_CONFIG_CHANGE bool={word} val={bool} old_val={bool} auid={uid} ses={ses}
MAC_UNLBL_ALLOW netlabel: auid={uid} ses={ses} subj={label} unlbl_accept={bool} old=0 res={bool}
MAC_MAP_ADD netlabel: auid={uid} ses={ses} subj={label} nlbl_domain={word} nlbl_protocol=unlbl res={bool}
MAC_IPSEC_EVENT op=SAD-add auid={uid} ses={ses} subj={label} src={ip} dst={ip} spi={n}(0x1) res={bool}
USER_ROLE_CHANGE pid={n} uid={uid} auid={uid} ses={ses} msg='newrole: old-context={label} new-context={label} selected-context={label} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
ROLE_ASSIGN pid={n} uid={uid} auid={uid} ses={ses} msg='op=login-sename,role,range acct={acct} old-seuser=? old-role=? new-seuser={word} new-role=r,{word} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
LABEL_LEVEL_CHANGE pid={n} uid={uid} auid={uid} ses={ses} msg='printer={word} uri=x banners=none,none range=unknown exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CRYPTO_KEY_USER pid={n} uid={uid} auid={uid} ses={ses} msg='op=destroy kind=server fp=SHA256:ab:cd direction=? spid={n} suid={uid}  exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CRYPTO_SESSION pid={n} uid={uid} auid={uid} ses={ses} msg='op=start direction=from-server cipher=aes ksize=256 mac=<implicit> pfs=x spid={n} suid={uid} rport={n} laddr={ip} lport=22  exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
CRYPTO_LOGIN pid={n} uid={uid} auid={uid} ses={ses} msg='op=x acct={acct} exe={name} res={res}'
VIRT_CONTROL pid={n} uid={uid} auid={uid} ses={ses} msg='virt=kvm op=start reason=booted vm={name} uuid=1-2 vm-pid={n} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
VIRT_RESOURCE pid={n} uid={uid} auid={uid} ses={ses} msg='virt=kvm resrc=disk reason=start vm={name} uuid=1-2 old-disk={name} new-disk={name} exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
VIRT_RESOURCE pid={n} uid={uid} auid={uid} ses={ses} msg='virt=kvm resrc=cgroup reason=deny vm={name} uuid=1-2 cgroup={name} class=all exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
VIRT_MACHINE_ID pid={n} uid={uid} auid={uid} ses={ses} msg='virt=kvm vm={name} uuid=1-2 vm-ctx={label} img-ctx={label} model=selinux exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
NETFILTER_PKT mark=0x{hex1} saddr={ip} daddr={ip} proto={proto}
NETFILTER_PKT action={small} hook={small} len=60 inif=eth0 outif=? smac=00:11 dmac=00:22 macproto={mac} saddr={ip} daddr={ip} ipid={n} proto={proto} icmptype={icmp} code={small}
NETFILTER_CFG table={word} family={family} entries={n} op=register pid={n} subj={label} comm={name}
BPF prog-id={n} op=LOAD
EVENT_LISTENER pid={n} uid={uid} auid={uid} tty={tty} ses={ses} subj={label} comm={name} exe={name} nl-mcgrp={small} op=connect res={bool}
KERNEL state=initialized audit_enabled=0 res={bool}
FS_RELABEL pid={n} uid={uid} auid={uid} ses={ses} msg='op=mass relabel exe={name} hostname={host} addr={ip} terminal={tty} res={res}'
`

// inventedAside are records that stand beside a system call's.
const inventedAside = `
IPC ouid={uid} ogid={gid} mode={mode} obj={label}
IPC_SET_PERM qbytes=0 ouid={uid} ogid={gid} mode={mode}
SOCKADDR saddr={saddr}
SOCKADDR saddr={saddr}
EXECVE argc=3 a0={name} a1={name} a2={hex}
EXECVE argc=3 a0={name} a1_len={n} a1[0]={name} a1[1]={hex} a2={hex}
MQ_OPEN oflag={flags} mode={mode} mq_flags=0x0 mq_maxmsg=1 mq_msgsize=1 mq_curmsgs=0
MQ_NOTIFY mqdes=3 sigev_signo={sig}
FD_PAIR fd0=3 fd1=4
OBJ_PID opid={n} oauid={uid} ouid={uid} oses={ses} obj={label} ocomm={name}
BPRM_FCAPS fver=2 fp={caps} fi={caps} fe=1 old_pp={caps} old_pi={caps} old_pe={caps} old_pa={caps} pp={caps} pi={caps} pe={caps} pa={caps} frootid=0
CAPSET pid={n} cap_pi={caps} cap_pp={caps} cap_pe={caps} cap_pa={caps}
MMAP fd={small} flags={flags}
KERN_MODULE name={name}
FANOTIFY resp={small}
FANOTIFY resp={small} fan_type=1 fan_info={hex1} subj_trust=2 obj_trust=2
TIME_INJOFFSET sec=1 nsec=2
TIME_ADJNTPVAL op=offset old=1 new=2
NETFILTER_CFG table={word} family={family} entries={n} op=register pid={n} comm={name}
ANOM_PROMISCUOUS dev={word} prom={bool} old_prom={bool} auid={uid} uid={uid} gid={gid} ses={ses}
OPENAT2 oflag={flags} mode={mode} resolve={flags}
AVC avc:  denied  { read } for  pid={n} comm={name} name={name} dev="sda1" ino={n} scontext={label} tcontext={label} tclass=file permissive=0
SELINUX_ERR op=security_compute_sid invalid_context={name} scontext={label} tcontext={label} tclass=process
MAC_STATUS enforcing={bool} old_enforcing={bool} auid={uid} ses={ses}
MAC_CONFIG_CHANGE bool={word} val={bool} old_val={bool} auid={uid} ses={ses}
MAC_POLICY_LOAD auid={uid} ses={ses} lsm=selinux res={bool}
CONFIG_CHANGE auid={uid} ses={ses} op=add_rule key={key} list={small} res={bool}
BPF prog-id={n} op=UNLOAD
EVENT_LISTENER pid={n} uid={uid} auid={uid} tty={tty} ses={ses} comm={name} exe={name} nl-mcgrp={small} op=connect res={bool}
`

// inventedPaths are the PATH records of a call, in the order of the kernel.
const inventedPaths = `
item=0 name={name} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00 nametype=NORMAL cap_fp={caps} cap_fi={caps} cap_fe=0 cap_fver=0 cap_frootid=0
item=0 name={name} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00 obj={label} nametype=PARENT cap_fp=0 cap_fi=0|item=1 name={name} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00 obj={label} nametype=DELETE cap_fp=0
item=0 name={name} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00 nametype=PARENT|item=1 name={name} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00 nametype=CREATE
item=0 name={name} nametype=UNKNOWN
item=0 name={name} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00 nametype=PARENT
item=0 name={name} flags={flags} inode={n} dev=fe:00 mode={mode} ouid={uid} ogid={gid} rdev=00:00
item=0 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=PARENT|item=1 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=PARENT|item=2 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=DELETE|item=3 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=CREATE
item=0 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=PARENT|item=1 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=PARENT|item=2 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=DELETE|item=3 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=DELETE|item=4 name={name} inode={n} dev=fe:00 mode={mode} ouid=0 ogid=0 rdev=00:00 nametype=CREATE
`

const inventedCall = "arch={arch} syscall={call} success={yes} exit={exit} a0={arg} a1={arg} a2={arg} a3={arg} items={small} ppid={n} pid={n} auid={uid} uid={uid} gid={gid} euid={uid} suid={uid} fsuid={uid} egid={gid} sgid={gid} fsgid={gid} tty={tty} ses={ses} comm={name} exe={name} subj={label} key={key}"

// inventedChoices are the values of a field, parted by spaces.
var inventedChoices = map[string]string{
	"uid":    "0 4294967295 1 33 1000 65534 12345 -1 99999999999999999999 60001",
	"gid":    "0 4294967295 5 100 65534 54321",
	"ses":    "4294967295 1 77",
	"label":  "unconfined system_u:system_r:init_t:s0 u:r:t:s0-s0:c0.c1023 u:r:t:s0:c2,c7 =unconfined",
	"name":   `"/usr/bin/rm" "rm" "/usr/bin/python3" "/usr/bin/bash" "a" "/srv/../etc/x" "/srv/t/a/.." "../x" "./y" 2F7372762F6120620A 612022 (null) "(null)" 2F746D702F1B5B41 "/a/./b" "it's" "/a,b" 00AB "x:y" ABC`,
	"hex":    "6C73202D6C 7375646F00 726D002D7266002F78 610A62 41 4",
	"hex1":   "0 1 ff 1a2b",
	"typed":  "6C730D 1B5B41 04 0361 7F7F6C220D5C 1B4F501B5B31357E 1B5B313B3242 C3A4 1B 6 zz 1B1B 090A",
	"host":   "? host1 10.0.0.1 h,x",
	"ip":     "? 10.0.0.1 ::1 fe80::1",
	"tty":    "pts0 (none) ssh ? /dev/tty1 cron",
	"res":    "success failed 1 0 yes",
	"bool":   "0 1",
	"yes":    "yes no",
	"small":  "0 1 2 3 4 5 6 7 8",
	"word":   "eth0 filter x.service some-word",
	"acct":   `"root" "bin" "nobody" "?" root 726F6F74 "(unknown)" 666F6F20 x:`,
	"key":    `"k" (null) 6B31016B32 "two words" 6B0A01 "a-b"`,
	"sig":    "0 1 9 11 15 30 31 32 64 -5",
	"code":   "0x0 0x30000 0x50001 0x7ff00000 0x7ffc0000 0x7fff0000 0x7fc00000 0x80000000 0x12340000",
	"arch":   "c000003e c000003e c000003e 40000003 c00000b7 c00000f3 80000016 14",
	"exit":   "0 3 -1 -2 -13 -17 -95 -11 -35 -512 -999 140000 -9223372036854775808",
	"arg":    "0 1 2 3 4 5 6 7 8 9 a b c d e f 10 11 12 17 18 1d 1e 29 2a 64 107 ffffff9c ffffffff ffffffffffffff9c 7ffd1234 80 100 141 241 42 1b6 1ff c00 ed 81a4 21b6 61b6 80000 90800 40001 3d0f00 1200011 11 22 802 20022 4000 8000 41c0 4b3a 5401 5413 80045430 c01c64a3 40045431 8901 4203 420e 16 8006 deadbeefdeadbeefdead zz 2000000 40000000 84 88",
	"mode":   "0100644 040755 0 0120777 0104755 0102755 041777 020620 060660 010600 0140777 644 0777 9 177777777777777777777777",
	"flags":  "0 1 2 3 4 10 40 102 0x8002 22 241 80000 4000000 ffff 1f",
	"caps":   "0 1 3ffffffff 1ffffffffff 0000000000000400 ffffffffffffffff none",
	"ioctl":  "0x5401 0x5413 0x1234",
	"proto":  "0 1 6 17 58 132 200 255 999",
	"mac":    "0x0800 0x0806 0x86dd",
	"icmp":   "0 3 8 11 1 99",
	"family": "0 1 2 3 5 7 10 12 9",
	"saddr": `01002F72756E2F78 0100006162630000 0100 010000 02000035080808080000000000000000 0200 0A0001BBFE80000000000000000000000000000100000000
		0A0000500000000000000000000000000000000100000000 0A00005000000000000000000000FFFF0102030400000000 0A000050000000000000000000000000010203040000
		0A00005000000000000000000000000001020304000000 0A000050FE80000000000000020000FFFE00000163000000 100000000A00000000000000 1000 100000000000000001000000
		0300616263646566670000 04001234AABBCCDD 0800000005000000 09003132333435 11000003 FF00 00000000 (null) zz 2800 1F00 26000102 0`,
}

// inventedCalls are the calls whose arguments ausearch knows, and some others,
// by architecture. They are made of names, so that none is forgotten.
func inventedCalls() string {
	var b strings.Builder
	for nr := range 452 {
		fmt.Fprintf(&b, "%d ", nr)
	}
	return b.String()
}

var inventedBlank = regexp.MustCompile(`\{[a-z0-9]+\}`)

// inventLog returns a log of records of some hundred kinds, with every value
// that interpretation has a word for, and with values that are wrong.
func inventLog(seed uint64, events int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	choices := map[string][]string{"call": strings.Fields(inventedCalls())}
	for name, values := range inventedChoices {
		choices[name] = strings.Fields(values)
	}
	fill := func(text string) string {
		return inventedBlank.ReplaceAllStringFunc(text, func(blank string) string {
			values := choices[blank[1:len(blank)-1]]
			if values == nil {
				return strconv.Itoa(rnd.IntN(30000))
			}
			return values[rnd.IntN(len(values))]
		})
	}
	records := strings.Split(strings.TrimSpace(inventedRecords), "\n")
	aside := strings.Split(strings.TrimSpace(inventedAside), "\n")
	paths := strings.Split(strings.TrimSpace(inventedPaths), "\n")
	var b []byte
	for i := range events {
		node := []string{"", "", "", "node=vm "}[rnd.IntN(4)]
		enriched := rnd.IntN(5) == 0
		line := func(record string) {
			name, text, _ := strings.Cut(fill(record), " ")
			b = fmt.Appendf(b, "%stype=%s msg=audit(%d.%03d:%d): %s", node, name, 1700000000+3*i, i%1000, i+1, text)
			if enriched {
				b = append(b, inventEnrichment(rnd, text)...)
			}
			b = append(b, '\n')
		}
		if i%2 == 0 {
			line(records[i/2%len(records)])
			continue
		}
		if before := aside[rnd.IntN(len(aside))]; rnd.IntN(4) == 0 && !strings.HasPrefix(before, "ANOM") { // which is an event by itself
			line(before)
		}
		line("SYSCALL " + inventedCall)
		for range rnd.IntN(2) {
			line(aside[rnd.IntN(len(aside))])
		}
		if rnd.IntN(5) > 0 {
			line("CWD cwd={name}")
		}
		if rnd.IntN(8) > 0 {
			for path := range strings.SplitSeq(paths[rnd.IntN(len(paths))], "|") {
				line("PATH " + path)
			}
		}
		if rnd.IntN(8) > 0 {
			line("PROCTITLE proctitle={hex}")
		}
		if rnd.IntN(8) > 0 {
			line("EOE ")
		}
	}
	return b
}

// inventEnrichment is what auditd appends to a record.
func inventEnrichment(rnd *rand.Rand, text string) string {
	names := []string{`"root"`, `"unset"`, `"alice"`, `"unknown(7)"`, `"two words"`}
	out := "\x1d"
	for _, field := range []string{"auid", "uid", "gid", "euid", "ouid", "ogid", "id", "oauid"} {
		if strings.Contains(text, " "+field+"=") {
			out += strings.ToUpper(field) + "=" + names[rnd.IntN(len(names))] + " "
		}
	}
	if strings.Contains(text, "syscall=") {
		out += "ARCH=x86_64 SYSCALL=openat "
	}
	if strings.HasPrefix(text, "saddr=") {
		out = "\x1dSADDR={ saddr_fam=inet laddr=127.0.0.1 lport=53 }"
	}
	return strings.TrimSuffix(out, " ")
}
