# A container with the command line alone: static, not root, and able to run with a
# read-only file system. Build it from the root of the repository:
#
#     docker build -t agsauth .
#
# The session is stored in /state, which should be a volume:
#
#     docker run --read-only -v agsauth:/state agsauth daemon --gateway https://gateway.example …
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
# The folder of the state belongs to the user that the program runs as.
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/agsauth ./cmd/agsauth && \
    mkdir -m 0700 -p /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/agsauth /usr/local/bin/agsauth
COPY --from=build --chown=65532:65532 --chmod=0700 /out/state /state
USER 65532:65532
ENV XDG_STATE_HOME=/state XDG_CONFIG_HOME=/config HOME=/state
ENTRYPOINT ["/usr/local/bin/agsauth"]
