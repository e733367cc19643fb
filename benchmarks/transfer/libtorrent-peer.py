# One libtorrent peer: `seed TORRENT DIRECTORY` or `leech TORRENT DIRECTORY PORT`. Prints one JSON object a line; a seed ends when its standard input does.
#
# Nothing but the transfer: no DHT, no local discovery, no port mapping, no encryption, no limits. The peer is named to the leech.
import json
import os
import resource
import sys
import time

import libtorrent as lt


def say(**fields):
    print(json.dumps(fields), flush=True)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def session():
    return lt.session({
        "listen_interfaces": "127.0.0.1:0",
        "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        "allow_multiple_connections_per_ip": True,
        "in_enc_policy": int(lt.enc_policy.pe_disabled),
        "out_enc_policy": int(lt.enc_policy.pe_disabled),
        "download_rate_limit": 0,
        "upload_rate_limit": 0,
        "unchoke_slots_limit": -1,
        "rate_limit_ip_overhead": False,
        # what libtorrent's own preset for fast seeding sets, and enough requests under way for a fast link
        "max_out_request_queue": 1500,
        "max_allowed_in_request_queue": 2000,
        "request_queue_time": 3,
        "send_buffer_watermark": 3 * 1024 * 1024,
        "send_buffer_watermark_factor": 150,
        "send_buffer_low_watermark": 10 * 1024 * 1024,
        "max_queued_disk_bytes": 7 * 1024 * 1024 * 4,
        # what is to be done next is looked at every 500 ms otherwise
        "tick_interval": 50,
        "aio_threads": 4,
        "hashing_threads": 2,
        "recv_socket_buffer_size": 1024 * 1024,
        "send_socket_buffer_size": 1024 * 1024,
        "alert_queue_size": 10000,
    })


def add(ses, torrent, directory, is_seed):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = directory
    flags = lt.torrent_flags
    params.flags &= ~(flags.auto_managed | flags.paused | flags.apply_ip_filter)
    params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
    if is_seed:
        params.flags |= flags.seed_mode
    return ses.add_torrent(params)


def wait_for(ses, kinds):
    while True:
        ses.wait_for_alert(1000)
        for alert in ses.pop_alerts():
            if isinstance(alert, kinds):
                return alert
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
                sys.exit(alert.message())


def seed(torrent, directory):
    ses = session()
    add(ses, torrent, directory, True)
    while ses.listen_port() == 0:
        time.sleep(0.01)
    say(port=ses.listen_port())
    sys.stdin.read()


def leech(torrent, directory, port):
    ses = session()
    while ses.listen_port() == 0:
        time.sleep(0.01)
    cpu_before = cpu_seconds()
    start = time.monotonic()
    handle = add(ses, torrent, directory, False)
    handle.connect_peer(("127.0.0.1", port))
    wait_for(ses, lt.torrent_finished_alert)
    seconds = time.monotonic() - start
    say(
        seconds=seconds,
        cpuSeconds=cpu_seconds() - cpu_before,
        peakRssMiB=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    # what is written is with the operating system; the session's own goodbye takes seconds
    handle.flush_cache()
    wait_for(ses, lt.cache_flushed_alert)
    os._exit(0)


if __name__ == "__main__":
    {"seed": seed, "leech": lambda t, d, p: leech(t, d, int(p))}[sys.argv[1]](*sys.argv[2:])
