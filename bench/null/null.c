/*
 * null: the cheapest audit daemon there can be. It registers, drains the socket
 * and throws everything away; what it costs is what the kernel's side costs.
 *
 *     null COUNTS recvmsg|recvmmsg BUFFER
 *
 * COUNTS is a file it maps and keeps its counters in (struct counts), where
 * they may be read at any time. BUFFER is the receive buffer in bytes, forced;
 * 0 leaves the system's default. It ends on SIGTERM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 128, SLOT = 9216, OPEN = 4096 };

struct counts {
	uint64_t records, bytes, complete, overruns;
};

/* An open event; a single table line, so that a late record of a forgotten
 * event counts for nothing. */
struct event {
	uint64_t serial;
	uint32_t items, paths;
};

static struct counts *counts;
static struct event open_events[OPEN];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* number reads the digits at p, of which there is at least one. */
static uint64_t number(const char *p)
{
	uint64_t n = 0;
	while (*p >= '0' && *p <= '9')
		n = n * 10 + (*p++ - '0');
	return n;
}

/* count notes one datagram: "audit(SECONDS.MLS:SERIAL): ..." behind a header.
 * An event is complete if its SYSCALL, as many PATHs as that says and its EOE
 * came. buf has room for a NUL at n. */
static void count(char *buf, size_t n)
{
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	const size_t serial_at = sizeof *h + sizeof "audit(1234567890.123:" - 1;
	struct event *e;
	const char *items;
	uint64_t serial;

	if (h->nlmsg_type < AUDIT_FIRST_USER_MSG || n < serial_at)
		return;
	buf[n] = 0;
	counts->records++;
	counts->bytes += n - sizeof *h;
	serial = number(buf + serial_at);
	e = &open_events[serial % OPEN];
	switch (h->nlmsg_type) {
	case AUDIT_SYSCALL:
		items = strstr(buf + serial_at, " items=");
		*e = (struct event){ serial, items ? number(items + 7) : 0, 0 };
		break;
	case AUDIT_PATH:
		e->paths += e->serial == serial;
		break;
	case AUDIT_EOE:
		counts->complete += e->serial == serial && e->paths == e->items;
		e->serial = 0;
	}
}

static void request(int fd, uint16_t type, const void *data, size_t n)
{
	struct { struct nlmsghdr h; char data[64]; } m = {
		{ NLMSG_LENGTH(n), type, NLM_F_REQUEST, 1, 0 }, { 0 } };
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };

	memcpy(m.data, data, n);
	if (sendto(fd, &m, m.h.nlmsg_len, 0, (struct sockaddr *)&to, sizeof to) < 0)
		die("send");
}

static int listen_as_daemon(int buffer)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
	struct audit_status s = { .mask = AUDIT_STATUS_PID, .pid = getpid() };

	if (fd < 0)
		die("socket");
	if (buffer && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer))
		die("SO_RCVBUFFORCE");
	request(fd, AUDIT_SET, &s, sizeof s);
	return fd;
}

/* overrun is true for the error of a full socket; others end the program. */
static int overrun(void)
{
	if (errno != ENOBUFS && errno != EINTR)
		die("receive");
	counts->overruns += errno == ENOBUFS;
	return 1;
}

static void drain_one_by_one(int fd)
{
	static char buf[SLOT];

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof buf - 1, 0);
		if (n >= 0)
			count(buf, n);
		else
			overrun();
	}
}

static void drain_in_batches(int fd)
{
	static char buf[SLOTS][SLOT];
	static struct mmsghdr m[SLOTS];
	static struct iovec v[SLOTS];
	const struct timespec nap = { 0, 1000000 };

	for (int i = 0; i < SLOTS; i++) {
		v[i] = (struct iovec){ buf[i], SLOT - 1 };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	for (;;) {
		int n = recvmmsg(fd, m, SLOTS, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			count(buf[i], m[i].msg_len);
		if (n < 0 && errno == EAGAIN)
			nanosleep(&nap, NULL);
		else if (n < 0)
			overrun();
	}
}

int main(int argc, char **argv)
{
	int file, fd;

	if (argc != 4) {
		fprintf(stderr, "usage: null COUNTS recvmsg|recvmmsg BUFFER\n");
		return 2;
	}
	file = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, sizeof *counts))
		die(argv[1]);
	counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (counts == MAP_FAILED)
		die("mmap");
	fd = listen_as_daemon(atoi(argv[3]));
	if (strcmp(argv[2], "recvmmsg") == 0)
		drain_in_batches(fd);
	drain_one_by_one(fd);
}
