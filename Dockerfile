# A static binary and nothing else.
#
#   docker build -t auditshipper .
#   docker run --rm --privileged --pid=host --network=host auditshipper demo
#
# Audit is not namespaced: the container needs the host's network namespace (the
# multicast reaches no other), its process ids and its mounts, and real root. For
# good, with only the rights it uses (podman's profile asks for AUDIT_WRITE, too):
#
#   docker run -d --name auditshipper --restart=always --pid=host --network=host \
#     --cap-drop=ALL --cap-add=AUDIT_CONTROL --cap-add=AUDIT_READ --cap-add=NET_ADMIN \
#     --cap-add=SYS_PTRACE --cap-add=DAC_READ_SEARCH \
#     -v /etc/auditshipper:/etc/auditshipper:ro -v /var/lib/auditshipper:/var/lib/auditshipper \
#     -v /mnt/efs:/mnt/efs:ro,rslave auditshipper

ARG GO_IMAGE=golang:1.26
FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.release=${VERSION}" -o /out/auditshipper ./cmd/auditshipper \
 && mkdir -p /out/etc/auditshipper /out/var/lib/auditshipper /out/run/auditshipper /out/tmp \
 && chmod 1777 /out/tmp \
 && cp /etc/ssl/certs/ca-certificates.crt /out/ca-certificates.crt

FROM scratch
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/auditshipper /usr/bin/auditshipper
COPY --from=build /out/etc /etc
COPY --from=build /out/var /var
COPY --from=build /out/run /run
COPY --from=build /out/tmp /tmp
# Root, because a container runtime gives added capabilities to no other user.
# It holds only those it was given: see the flags.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/bin/auditshipper", "status"]
VOLUME /var/lib/auditshipper
ENTRYPOINT ["/usr/bin/auditshipper"]
CMD ["run"]
