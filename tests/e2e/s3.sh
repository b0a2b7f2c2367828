#!/bin/sh
# The exporter's upload form against a real S3: Ceph's object gateway, from Debian's packages. Not part of `make test`:
#   make test-s3
# A monitor, one object store in memory and the gateway run on loopback in a scratch folder and are stopped in that order's
# reverse. Needs root (the daemons insist) and, once, the packages; says skipped where they cannot be had.
. tests/lib/tap.sh
packages='ceph-mon ceph-osd radosgw ceph-common'
tool=$ROOT/build/release/tools/s3_form
daemons=
s3_finish() { # gateway, store, monitor
	for p in $daemons; do
		kill "$p" 2>/dev/null
		i=0
		while kill -0 "$p" 2>/dev/null && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
		kill -9 "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	daemons=
}
trap 's3_finish; finish' EXIT

if [ "$(id -u)" != 0 ]; then skip 'a real S3' 'needs root'; done_testing; fi
if ! command -v radosgw >/dev/null || ! command -v ceph-mon >/dev/null || ! command -v ceph-osd >/dev/null; then
	# shellcheck disable=SC2086
	if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >"$T/apt" 2>&1; then
		skip 'a real S3' "the packages cannot be installed: $packages"
		done_testing
	fi
fi
[ -x "$tool" ] || { echo 'Bail out! no tools: make everything'; exit 1; }

port=$((20000 + $$ % 20000))
c=$T/ceph
mkdir -p "$c/mon" "$c/osd" "$c/run"
fsid=$(cat /proc/sys/kernel/random/uuid)
cat >"$c/ceph.conf" <<END
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$port,v1:127.0.0.1:$((port + 1))]
public addr = 127.0.0.1
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind port min = $((port + 10))
ms bind port max = $((port + 60))
keyring = $c/keyring
run dir = $c/run
admin socket = $c/run/\$name.asok
log file = $c/\$name.log
mon data = $c/mon
osd data = $c/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
[client]
rgw frontends = beast endpoint=127.0.0.1:$((port + 2))
END
conf="-c $c/ceph.conf"
url=http://127.0.0.1:$((port + 2))
access=MVCHATTESTACCESS secret=mvchat-test-secret-of-no-value
# shellcheck disable=SC2086
{
	ceph-authtool --create-keyring "$c/keyring" --gen-key -n mon. --cap mon 'allow *' &&
		ceph-authtool "$c/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' &&
		ceph-authtool "$c/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd' &&
		monmaptool $conf --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$port,v1:127.0.0.1:$((port + 1))]" "$c/monmap" &&
		ceph-mon $conf --mkfs -i a --monmap "$c/monmap" --keyring "$c/keyring"
} >"$c/setup" 2>&1 || { not_ok 'the monitor is made' "$c/setup"; done_testing; }
# shellcheck disable=SC2086
ceph-mon $conf -f -i a >"$c/mon.out" 2>&1 &
daemons=$!
uuid=$(cat /proc/sys/kernel/random/uuid)
# shellcheck disable=SC2086
{
	timeout 60 ceph $conf osd new "$uuid" && ceph-osd $conf --mkfs -i 0 --osd-uuid "$uuid" && timeout 60 ceph $conf auth import -i "$c/keyring"
} >>"$c/setup" 2>&1 || { not_ok 'the store is made' "$c/setup" "$c/mon.out"; done_testing; }
# shellcheck disable=SC2086
ceph-osd $conf -f -i 0 >"$c/osd.out" 2>&1 &
daemons="$! $daemons"
# shellcheck disable=SC2086
until timeout 20 ceph $conf osd stat 2>/dev/null | grep -q '1 up'; do
	i=$((${i:-0} + 1))
	[ $i -lt 60 ] || { not_ok 'the store starts' "$c/osd.out"; done_testing; }
	sleep 0.5
done
# shellcheck disable=SC2086
timeout 120 radosgw-admin $conf user create --uid=u --display-name=u --access-key=$access --secret-key=$secret >>"$c/setup" 2>&1 || {
	not_ok 'the account is made' "$c/setup"
	done_testing
}
# shellcheck disable=SC2086
radosgw $conf -f -n client.admin >"$c/rgw.out" 2>&1 &
daemons="$! $daemons"
i=0
until curl -s -m 2 -o "$T/out" "$url/"; do
	i=$((i + 1))
	[ $i -lt 150 ] || { not_ok 'the gateway starts' "$c/rgw.out"; done_testing; }
	sleep 0.2
done
# The header is the digest of an empty body, which S3 wants to be told.
signed() {
	curl -s -m 20 --aws-sigv4 aws:amz:us-east-1:s3 --user $access:$secret \
		-H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' "$@"
}
eq 'a bucket' "$(signed -o "$T/out" -w '%{http_code}' -X PUT "$url/uploads")" 200
ok "$(radosgw --version | cut -d'(' -f1)"

mkdir "$T/files"
printf 'Hello, storage.\r\n--mvchat-0000\r\n' >"$T/files/small.txt"
: >"$T/files/empty.txt"
head -c 9000000 /dev/urandom >"$T/files/big.bin"
# stored NAME ENTRY CALLED MIME KEY: sent as the exporter does, it lies under that key with those bytes
stored() {
	"$tool" "$url" uploads $access $secret "$T/files" "$2" "$3" "$4" >"$T/said" 2>&1
	eq "$1: stored under the name the exporter expects" "$(cat "$T/said")" "done $5"
	signed -o "$T/back" "$url/uploads/$5"
	same "$1: the same bytes" "$T/files/$2" "$T/back"
}
stored 'a text' small.txt small.txt text/plain attaches/files/1/small.txt
stored 'a Cyrillic name' small.txt 'Отчёт "за март".txt' text/plain attaches/files/1/file.txt
stored 'an empty file' empty.txt empty.txt text/plain attaches/files/1/empty.txt
stored '9 MB' big.bin 'big file (1).bin' application/octet-stream attaches/files/1/bigfile1.bin

# refused HOW VERDICT: a form broken in that way is refused by the store, and the exporter understands
refused() {
	"$tool" "$url" uploads $access $secret "$T/files" small.txt "broken-$1.txt" text/plain "$1" >"$T/said" 2>&1
	if grep -q "^$2 " "$T/said"; then ok "a form with a wrong $1: $(cat "$T/said")"; else not_ok "a form with a wrong $1" "$T/said"; fi
}
refused key rejected
refused signature rejected
refused extra rejected
refused expired unknown
signed "$url/uploads?list-type=2" >"$T/list"
hasnt 'nothing of those was stored' "$T/list" 'broken-'
done_testing
