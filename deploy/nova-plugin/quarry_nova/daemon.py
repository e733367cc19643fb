"""The daemon's export socket: HTTP/1.1 over a unix socket, one JSON object a line."""
import collections
import contextlib
import http.client
import json
import logging
import re
import socket

from quarry_nova.errors import QuarryError

LOG = logging.getLogger(__name__)

Export = collections.namedtuple('Export', 'id path size algorithm value')

# Python's names of what Glance and the daemon call by others.
ALGORITHMS = {'blake2b512': 'blake2b'}
MAX_LINE = 1 << 20


class Daemon(object):
    def __init__(self, path, timeout):
        self._path = path
        self._timeout = timeout

    @contextlib.contextmanager
    def export(self, image_id, headers):
        """The image as a file of its own: (Export, give_up). Nobody else reads or writes the file.

        `give_up(outcome)` has the daemon drop its name of the file; at the latest when the block is left.
        Raises QuarryError.
        """
        with self._connection() as connection:
            export = self._ask(connection, image_id, headers)
        outcomes = []

        def give_up(outcome):
            if not outcomes:
                outcomes.append(outcome)
                self._give_up(export, outcome)

        try:
            yield export, give_up
        finally:
            give_up('failed')

    def _ask(self, connection, image_id, headers):
        for name, value in headers.items():
            # http.client would repeat the value in what it raises
            if not re.match(r'^[\x21-\x7e]+$', value):
                raise QuarryError('%s is empty or has a character in it that no such header has' % name)
        body = json.dumps({'image': image_id}).encode()
        with self._spoken_to():
            connection.request('POST', '/v1/export', body, dict(headers, **{'Content-Type': 'application/json'}))
            response = connection.getresponse()
            while True:
                line = response.readline(MAX_LINE)
                if not line.endswith(b'\n'):
                    raise QuarryError('the daemon at %s went away before the image was whole' % self._path)
                event = json.loads(line.decode())
                if event.get('event') == 'done':
                    return self._export_of(event['result'])
                if 'error' in event:
                    error = event['error']
                    raise QuarryError('%s (%s)' % (error['message'], ', '.join(error['codes'])))

    def _export_of(self, result):
        algorithm = result['hash']['algorithm']
        export = Export(str(result['id']), str(result['path']), int(result['imageBytes']),
                        ALGORITHMS.get(algorithm, algorithm), str(result['hash']['value']))
        if not re.match(r'^[0-9a-f]{32}$', export.id):
            raise ValueError('no id')
        return export

    def _give_up(self, export, outcome):
        try:
            with self._connection() as connection, self._spoken_to():
                connection.request('DELETE', '/v1/export/%s?%s' % (export.id, outcome))
                connection.getresponse().read()
        except QuarryError as error:
            # it goes by age
            LOG.warning('The Quarry daemon could not be told that its file is no longer needed: %s', error)

    def _connection(self):
        return contextlib.closing(_UnixConnection(self._path, self._timeout))

    @contextlib.contextmanager
    def _spoken_to(self):
        try:
            yield
        except socket.timeout:
            raise QuarryError('the daemon at %s said nothing for %g s' % (self._path, self._timeout))
        except (OSError, http.client.HTTPException) as error:
            raise QuarryError('cannot talk to the daemon at %s: %s' % (self._path, error))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise QuarryError('what listens at %s does not answer as a Quarry daemon would' % self._path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super(_UnixConnection, self).__init__('quarry', timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
