# One libtorrent session for a storm. Reads orders from standard input, one JSON object a line:
#   {"id": 1, "torrent": PATH, "directory": PATH, "name": NAME, "isSeed": false}
# and says {"port"} when it listens, then {"id"} when the file NAME in DIRECTORY has its last byte, or {"id", "error"}. It serves what it has until its standard
# input ends.
#
# Tuned for some dozens of peers who all want the same, on slow links, for half a minute: what the defaults mean for hours.
import json
import os
import sys
import threading
import time

import libtorrent as lt

SETTINGS = {
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification,
    "alert_queue_size": 10000,
    # nothing but the tracker says who there is
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "in_enc_policy": int(lt.enc_policy.pe_disabled),
    "out_enc_policy": int(lt.enc_policy.pe_disabled),
    "rate_limit_ip_overhead": False,
    "download_rate_limit": 0,
    "upload_rate_limit": 0,
    # everybody may know everybody, and does at once rather than ten a second
    "connections_limit": 1000,
    "connection_speed": 500,
    "torrent_connect_boost": 255,
    # a link is divided among few at a time: a piece that has gone out whole can be passed on, eight halves cannot.
    # 26.7 s with 4, 28.1 s with 8 or without a limit, for 8 hosts with 32 MiB at 20 Mbit/s
    "unchoke_slots_limit": 4,
    "unchoke_interval": 1,
    "optimistic_unchoke_interval": 2,
    "seed_choking_algorithm": int(lt.seed_choking_algorithm_t.round_robin),
    # as much under way as such a link holds, not a backlog of seconds that is asked for twice at the end
    "request_queue_time": 1,
    "max_out_request_queue": 500,
    "send_buffer_watermark": 256 * 1024,
    "send_buffer_low_watermark": 32 * 1024,
    # what is to be done next is looked at every 500 ms otherwise
    "tick_interval": 100,
    "aio_threads": 1,
    "hashing_threads": 1,
    "stop_tracker_timeout": 1,
}


def say(**fields):
    print(json.dumps(fields), flush=True)


def add(session, order):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(order["torrent"])
    params.ti.rename_file(0, order["name"])
    params.save_path = order["directory"]
    flags = lt.torrent_flags
    params.flags &= ~(flags.auto_managed | flags.paused | flags.apply_ip_filter)
    params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
    if order["isSeed"]:
        params.flags |= flags.seed_mode
    return session.add_torrent(params)


def main():
    session = lt.session({**SETTINGS, "listen_interfaces": "0.0.0.0:6881"})
    while session.listen_port() == 0:
        time.sleep(0.01)
    say(port=session.listen_port())
    # by what stands for a torrent here: two orders for one torrent would be one torrent, and are not given
    orders = {}
    is_over = threading.Event()

    def read():
        for line in sys.stdin:
            order = json.loads(line)
            try:
                handle = add(session, order)
            except RuntimeError as error:
                say(id=order["id"], error=str(error))
                continue
            orders[handle.info_hash()] = order["id"]
        is_over.set()

    threading.Thread(target=read, daemon=True).start()
    while not is_over.is_set():
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_finished_alert):
                # the last piece is right; what is written comes after
                alert.handle.flush_cache()
            elif isinstance(alert, lt.cache_flushed_alert):
                if alert.handle.status().is_finished:
                    order = orders.pop(alert.handle.info_hash(), None)
                    if order is not None:
                        say(id=order)
            elif isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
                order = orders.pop(alert.handle.info_hash(), None)
                if order is not None:
                    say(id=order, error=alert.message())
    os._exit(0)


main()
