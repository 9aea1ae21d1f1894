#!/bin/sh
# Varnish is two programs: varnishd answers, and varnishncsa writes what varnishd says in shared memory to
# a log. Both belong to the peer, on the same CPU; the second ends with the first.
set -eu
PATH=$PATH:/usr/sbin
setpriv --pdeathsig TERM varnishncsa -n '@DIR@' -t off -a -w '@ACCESS_LOG@' &
exec varnishd -F -j none -n '@DIR@' -T none -a '@LISTEN@' -f '@VCL@' -s malloc,64m \
    -p thread_pools=1 -p timeout_idle=600 -p backend_idle_timeout=600
