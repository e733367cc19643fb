"""Nova's own image code, a real Glance and a real daemon.

QUARRY_TEST_GLANCE is Glance's URL, QUARRY_TEST_IMAGES `id=path of its data` by commas, QUARRY_TEST_DIR a directory on the
file system of the daemon's exports, QUARRY_NOVA_SOCKET the daemon's socket.
"""
import os
import tempfile
import time
import unittest
from urllib import parse

from keystoneauth1 import token_endpoint
import nova.conf
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.compute import monitors
from nova.image import glance
from nova import service_auth
from stevedore import driver
from stevedore import extension

from quarry_nova import place
from quarry_nova import seam
from quarry_nova import tokens
from quarry_nova.errors import QuarryError

CONF = nova.conf.CONF
CONF.set_override('endpoint_override', os.environ['QUARRY_TEST_GLANCE'], 'glance')
objects.register_all()
IMAGES = dict(pair.split('=', 1) for pair in os.environ['QUARRY_TEST_IMAGES'].split(','))
PUT = 'Quarry put image %s at %s by (reflink|link): %d bytes'


def context_of():
    return nova_context.RequestContext(user_id='u', project_id='p', auth_token='a-token', roles=['member'])


def bytes_of(path):
    with open(path, 'rb') as file:
        return file.read()


class WithNovaTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(dir=os.environ['QUARRY_TEST_DIR'])
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, 'image.part')
        self.image, self.source = next(iter(IMAGES.items()))
        # as nova-compute begins: ResourceTracker.__init__
        monitors.MonitorHandler(None)

    def assertPut(self, lines):
        self.assertRegex(lines[-1], PUT % (self.image, self.path, os.path.getsize(self.source)))
        self.assertEqual(bytes_of(self.source), bytes_of(self.path))

    def assertDownloads(self):
        """By HTTP, as if the plug-in were not there."""
        with self.assertNoLogs('quarry_nova', 'INFO'):
            glance.API().download(context_of(), self.image, dest_path=self.path)
        self.assertEqual(bytes_of(self.source), bytes_of(self.path))

    def test_nova_compute_loads_it_and_its_download_is_by_link(self):
        with self.assertLogs('quarry_nova', 'INFO') as logs:
            glance.API().download(context_of(), self.image, dest_path=self.path)
        self.assertPut(logs.output)
        # Nova touches its base files, which takes a right to write where the owner is another
        os.utime(self.path, None)

    def test_a_download_into_a_file_object_is_novas_own(self):
        with open(self.path, 'wb') as file:
            glance.GlanceImageServiceV2().download(context_of(), self.image, data=file)
        self.assertEqual(bytes_of(self.source), bytes_of(self.path))

    def test_without_a_daemon_nova_downloads_without_delay(self):
        socket, os.environ['QUARRY_NOVA_SOCKET'] = os.environ['QUARRY_NOVA_SOCKET'], '/nowhere/s'
        self.addCleanup(os.environ.__setitem__, 'QUARRY_NOVA_SOCKET', socket)
        started = time.time()
        self.assertDownloads()
        self.assertLess(time.time() - started, 5)

    def test_after_a_wrong_byte_nova_downloads(self):
        original = place.place

        def place_wrongly(source, destination):
            how = original(source, destination)
            with open(destination, 'r+b') as file:
                first = file.read(1)
                file.seek(0)
                file.write(bytes([first[0] ^ 1]))
            self.assertNotEqual(bytes_of(self.source), bytes_of(destination))
            return how

        place.place = place_wrongly
        self.addCleanup(setattr, place, 'place', original)
        with self.assertRaisesRegex(QuarryError, 'the file has the sha512'):
            seam.fetch.fetch_image(context_of(), self.image, self.path)
        self.assertFalse(os.path.exists(self.path))
        self.assertDownloads()

    def test_an_image_that_is_not_there_is_not_found_as_ever(self):
        with self.assertRaises(exception.ImageNotFound):
            glance.API().download(context_of(), '00000000-0000-4000-8000-000000000000', dest_path=self.path)
        self.assertFalse(os.path.exists(self.path))

    def test_the_daemon_refuses_what_glance_refuses(self):
        with self.assertRaisesRegex(QuarryError, 'ORIGIN_NOT_FOUND'):
            seam.fetch.fetch_image(context_of(), '00000000-0000-4000-8000-000000000000', self.path)

    def test_both_tokens_go_along_where_nova_sends_both(self):
        self.assertEqual({'X-Auth-Token': 'a-token'}, {
            name: value for name, value in tokens.headers_of(context_of()).items() if name != 'X-OpenStack-Request-ID'})
        CONF.set_override('send_service_user_token', True, 'service_user')
        self.addCleanup(CONF.clear_override, 'send_service_user_token', 'service_user')
        self.addCleanup(service_auth.reset_globals)
        service_auth._SERVICE_AUTH = token_endpoint.Token('http://127.0.0.1/', 'service-token')
        context = context_of()
        self.assertEqual({'X-Auth-Token': 'a-token', 'X-Service-Token': 'service-token',
                          'X-OpenStack-Request-ID': context.global_id}, tokens.headers_of(context))

    def test_nova_up_to_ussuri_loads_it_by_its_entry_point(self):
        # what nova.image.download.load_transfer_modules and GlanceImageServiceV2 did
        namespace = 'nova.image.download.modules'
        self.assertIn('quarry', extension.ExtensionManager(namespace).names())
        module = driver.DriverManager(namespace=namespace, name='quarry', invoke_on_load=False).driver
        self.assertEqual(['file', 'filesystem'], module.get_schemes())
        url = glance.GlanceImageServiceV2().show(context_of(), self.image, include_locations=True)['direct_url']
        for find in (module.get_download_handler, module.get_download_hander):
            with self.assertLogs('quarry_nova', 'INFO') as logs:
                find().download(context_of(), parse.urlparse(url), self.path, {})
            self.assertPut(logs.output)
            os.unlink(self.path)
