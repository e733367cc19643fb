"""What systemd does with a socket unit and its service, as far as a dead daemon shows it: `systemd.py <address> <port> <delay> command...`

It opens the socket and keeps it; starts the command at the first connection with the socket as descriptor 3, and again, after so many
seconds (RestartSec=), whenever it ends. A line on standard output tells of each start.
"""
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time

address, port, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
server = socket.create_server((address, port), backlog=4096)
print(json.dumps({'port': server.getsockname()[1]}), flush=True)
select.select([server], [], [])
while True:
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives the test
        os.dup2(server.fileno(), 3)
        os.set_inheritable(3, True)
        environment = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='gateway')
        os.execve(sys.argv[4], sys.argv[4:], environment)
    print(json.dumps({'started': pid}), flush=True)
    os.waitpid(pid, 0)
    time.sleep(delay)
