"""A daemon that is not there, lies or stalls: a stand-in on a unix socket, asked by the real plug-in."""
import hashlib
import json
import logging
import os
import socket
import tempfile
import threading
import time
import unittest
from urllib import parse

from nova import context as nova_context

from quarry_nova import config
from quarry_nova import transfer
from quarry_nova.errors import QuarryError

IMAGE = '8f1c6c1e-0f1d-4c39-9d5d-6d1f2a3b4c5d'
LOCATION = parse.urlparse('file:///var/lib/glance/images/' + IMAGE)
TOKEN = 'gAAAA-nobody-may-see-this'
DATA = b'an image' * 1000


class Lines(logging.Handler):
    def __init__(self):
        super(Lines, self).__init__()
        self.text = ''

    def emit(self, record):
        self.text += self.format(record) + '\n'


class BadDaemonTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.socket = os.path.join(self.directory, 's')
        self.path = os.path.join(self.directory, 'image.part')
        self.export = os.path.join(self.directory, 'export')
        self.asked = []
        with open(self.export, 'wb') as file:
            file.write(DATA)
        for name, value in (('SOCKET', self.socket), ('TIMEOUT', '0.5'), ('CONF', os.devnull)):
            os.environ['QUARRY_NOVA_' + name] = value
        self.lines = Lines()
        logging.getLogger().addHandler(self.lines)
        self.addCleanup(logging.getLogger().removeHandler, self.lines)

    def answer(self, *parts):
        """Listens, and sends the parts to the first who asks; a number is so many seconds of silence."""
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(self.socket)
        server.listen(5)

        def serve():
            for turn in range(2):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked = b''
                    while not asked.endswith(b'}' if asked.startswith(b'POST') else b'\r\n\r\n'):
                        part = connection.recv(65536)
                        if not part:
                            break
                        asked += part
                    self.asked.append(asked.decode())
                    if turn == 1:
                        connection.sendall(b'HTTP/1.1 204 No Content\r\n\r\n')
                        return
                    try:
                        for part in parts:
                            time.sleep(part) if isinstance(part, float) else connection.sendall(part)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return thread

    def done(self, **changes):
        result = {'id': 'ab' * 16, 'path': self.export, 'imageBytes': len(DATA),
                  'hash': {'algorithm': 'sha256', 'value': hashlib.sha256(DATA).hexdigest()}}
        result.update(changes)
        return (b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'
                + json.dumps({'event': 'progress', 'progress': {}}).encode() + b'\n'
                + json.dumps({'event': 'done', 'result': result}).encode() + b'\n')

    def fetch(self, token=TOKEN):
        context = nova_context.RequestContext(user_id='u', project_id='p', auth_token=token)
        transfer.get_download_handler().download(context, LOCATION, self.path, {})

    def assertRefused(self, words, token=TOKEN):
        started = time.time()
        with self.assertRaisesRegex(QuarryError, words) as raised:
            self.fetch(token)
        self.assertLess(time.time() - started, 5)
        self.assertFalse(os.path.exists(self.path))
        self.assertNotIn(token.strip(), str(raised.exception) + self.lines.text)

    def test_a_good_answer_is_taken_and_the_daemon_is_told(self):
        thread = self.answer(self.done())
        self.fetch()
        thread.join(5)
        with open(self.path, 'rb') as file:
            self.assertEqual(DATA, file.read())
        self.assertIn('X-Auth-Token: ' + TOKEN, self.asked[0])
        self.assertRegex(self.asked[1], '^DELETE /v1/export/%s[?](reflink|link|copy) ' % ('ab' * 16))
        self.assertNotIn(TOKEN, self.lines.text)

    def test_a_wrong_hash_is_raised_and_the_file_removed(self):
        self.answer(self.done(hash={'algorithm': 'sha256', 'value': '00' * 32}))
        self.assertRefused('the file has the sha256')

    def test_a_file_of_another_length_is_raised_and_removed(self):
        self.answer(self.done(imageBytes=len(DATA) + 1))
        self.assertRefused('bytes, and the image')

    def test_a_file_that_is_gone_is_raised_and_the_daemon_told(self):
        thread = self.answer(self.done(path=self.export + '-gone'))
        self.assertRefused('No such file')
        thread.join(5)
        self.assertIn('?failed ', self.asked[1])

    def test_no_daemon_is_told_at_once(self):
        self.assertRefused('cannot talk to the daemon at ' + self.socket)

    def test_a_socket_that_a_dead_daemon_left_is_told_at_once(self):
        left = socket.socket(socket.AF_UNIX)
        left.bind(self.socket)
        left.close()
        self.assertRefused('refused')

    def test_silence_ends_after_the_timeout(self):
        self.answer(3.0)
        self.assertRefused('said nothing for 0.5 s')

    def test_silence_in_the_middle_ends_too(self):
        self.answer(self.done().split(b'{"event": "done"')[0], 3.0)
        self.assertRefused('said nothing for 0.5 s')

    def test_a_daemon_that_dies_on_the_way_is_raised(self):
        self.answer(self.done()[:-20])
        self.assertRefused('went away')

    def test_a_refusal_is_raised_with_its_code(self):
        error = {'event': 'error', 'error': {'codes': ['ORIGIN_FORBIDDEN'], 'message': 'the image is deactivated'}}
        self.answer(b'HTTP/1.1 200 OK\r\n\r\n' + json.dumps(error).encode() + b'\n')
        self.assertRefused(r'the image is deactivated \(ORIGIN_FORBIDDEN\)')

    def test_what_is_no_daemon_is_raised(self):
        for answer in (b'SSH-2.0\r\n', b'HTTP/1.1 200 OK\r\n\r\nhello\n', b'HTTP/1.1 200 OK\r\n\r\n[1]\n',
                       self.done(hash=None), self.done(id='../../etc')):
            with self.subTest(answer=answer):
                self.socket = os.environ['QUARRY_NOVA_SOCKET'] = tempfile.mktemp(dir=self.directory)
                self.answer(answer)
                self.assertRefused('daemon')

    def test_a_token_that_cannot_be_sent_is_not_repeated(self):
        self.answer(self.done())
        self.assertRefused('X-Auth-Token', token='gAAAA\nBBBB')

    def test_a_location_without_an_id_is_not_asked_for(self):
        context = nova_context.RequestContext(user_id='u', project_id='p', auth_token=TOKEN)
        with self.assertRaisesRegex(QuarryError, 'does not tell which'):
            transfer.get_download_handler().download(context, parse.urlparse('file:///images/x'), self.path, {})

    def test_settings_are_refused_with_their_name(self):
        with self.assertRaisesRegex(QuarryError, 'timeout'):
            config.load({'QUARRY_NOVA_CONF': os.devnull, 'QUARRY_NOVA_TIMEOUT': '0'})
        path = os.path.join(self.directory, 'conf')
        with open(path, 'w') as file:
            file.write('[quarry]\nsockt = /x\n')
        with self.assertRaisesRegex(QuarryError, 'sockt'):
            config.load({'QUARRY_NOVA_CONF': path})
        with open(path, 'w') as file:
            file.write('[quarry]\nsocket = /x\nschemes = file\n')
        self.assertEqual(('/y', 90.0, ('file',)),
                         config.load({'QUARRY_NOVA_CONF': path, 'QUARRY_NOVA_SOCKET': '/y'}))
