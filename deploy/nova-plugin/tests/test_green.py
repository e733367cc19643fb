"""As nova-compute ran until 2025: on green threads, of which one that does not let go stops all."""
import eventlet

eventlet.monkey_patch()

import os
import tempfile
import unittest

from nova.image import glance

from tests import test_with_nova as common


class GreenTest(unittest.TestCase):
    def test_several_downloads_at_once_do_not_mix_and_let_others_go_on(self):
        ticks = []

        def tick():
            while True:
                ticks.append(1)
                eventlet.sleep(0)

        directory = tempfile.TemporaryDirectory(dir=os.environ['QUARRY_TEST_DIR'])
        self.addCleanup(directory.cleanup)
        common.monitors.MonitorHandler(None)
        ticker = eventlet.spawn(tick)
        self.addCleanup(ticker.kill)

        def download(item):
            turn, (image, source) = item
            path = os.path.join(directory.name, str(turn))
            glance.API().download(common.context_of(), image, dest_path=path)
            return common.bytes_of(source) == common.bytes_of(path)

        with self.assertLogs('quarry_nova', 'INFO') as logs:
            right = list(eventlet.GreenPool(4).imap(download, enumerate(list(common.IMAGES.items()) * 2)))
        self.assertEqual([True] * 2 * len(common.IMAGES), right)
        self.assertEqual(len(right), sum('Quarry put image' in line for line in logs.output))
        self.assertGreater(len(ticks), 20)
