"""Directories to work in: QUARRY_TEST_DIRS, `name=path` by commas. `other` is on another file system than `tmpfs`."""
import errno
import hashlib
import os
import tempfile
import unittest

from quarry_nova import place
from quarry_nova.errors import QuarryError

DIRS = dict(pair.split('=', 1) for pair in os.environ.get('QUARRY_TEST_DIRS', '').split(',') if pair)
MIB = 1 << 20


def directory_in(test, name):
    if name not in DIRS:
        test.skipTest('no %s here' % name)
    directory = tempfile.TemporaryDirectory(dir=DIRS[name])
    test.addCleanup(directory.cleanup)
    return directory.name


def image_in(directory):
    """Data, a hole of 6 MiB, data, a hole at the end."""
    path = os.path.join(directory, 'image')
    with open(path, 'wb') as file:
        file.write(b'begin' * 1000)
        file.seek(6 * MIB)
        file.write(os.urandom(MIB + 3))
        file.truncate(9 * MIB + 1)
    return path


def bytes_of(path):
    with open(path, 'rb') as file:
        return file.read()


class PlaceTest(unittest.TestCase):
    def brought(self, source_dir, destination_dir):
        source = image_in(source_dir)
        destination = os.path.join(destination_dir, 'image.part')
        how = place.place(source, destination)
        self.assertEqual(bytes_of(source), bytes_of(destination))
        return how, source, destination

    def test_reflinks_where_the_file_system_can(self):
        directory = directory_in(self, 'reflink')
        how, source, destination = self.brought(directory, directory)
        self.assertEqual('reflink', how)
        self.assertNotEqual(os.stat(source).st_ino, os.stat(destination).st_ino)

    def test_links_where_reflinks_are_refused(self):
        directory = directory_in(self, 'tmpfs')
        how, source, destination = self.brought(directory, directory)
        self.assertEqual('link', how)
        self.assertEqual(os.stat(source).st_ino, os.stat(destination).st_ino)

    def test_copies_to_another_file_system_and_leaves_holes_holes(self):
        how, source, destination = self.brought(directory_in(self, 'tmpfs'), directory_in(self, 'other'))
        self.assertEqual('copy', how)
        self.assertLess(os.stat(destination).st_blocks * 512, 3 * MIB)

    def test_a_copy_has_the_mode_of_what_nova_downloads(self):
        self.addCleanup(os.umask, os.umask(0o022))
        _, _, destination = self.brought(directory_in(self, 'tmpfs'), directory_in(self, 'other'))
        self.assertEqual(0o644, os.stat(destination).st_mode & 0o777)

    def test_an_empty_image_is_an_empty_file(self):
        directory, other = directory_in(self, 'tmpfs'), directory_in(self, 'other')
        source = os.path.join(directory, 'empty')
        open(source, 'wb').close()
        place.place(source, os.path.join(other, 'x'))
        place.check(os.path.join(other, 'x'), 0, 'sha256', hashlib.sha256(b'').hexdigest())

    def test_replaces_what_a_killed_download_left(self):
        directory = directory_in(self, 'tmpfs')
        with open(os.path.join(directory, 'image.part'), 'wb') as file:
            file.write(b'older' * MIB)
        self.brought(directory, directory)

    def test_leaves_nothing_when_the_source_is_gone(self):
        directory = directory_in(self, 'tmpfs')
        with self.assertRaises(OSError):
            place.place(os.path.join(directory, 'gone'), os.path.join(directory, 'x'))
        self.assertEqual([], os.listdir(directory))

    def test_leaves_nothing_when_the_disk_is_full(self):
        source = image_in(directory_in(self, 'tmpfs'))
        directory = directory_in(self, 'full')
        with self.assertRaises(OSError) as raised:
            place.place(source, os.path.join(directory, 'x'))
        self.assertEqual(errno.ENOSPC, raised.exception.errno)
        self.assertEqual([], os.listdir(directory))

    def test_refuses_to_replace_what_is_no_plain_file(self):
        directory = directory_in(self, 'tmpfs')
        fifo = os.path.join(directory, 'fifo')
        os.mkfifo(fifo)
        for path in (fifo, directory):
            with self.assertRaises(QuarryError):
                place.check_destination(path)
        place.check_destination(os.path.join(directory, 'new'))

    def test_the_check_finds_a_changed_bit_a_cut_and_a_longer_file(self):
        path = image_in(directory_in(self, 'tmpfs'))
        content = bytes_of(path)
        for algorithm in ('sha512', 'sha256', 'blake2b'):
            value = hashlib.new(algorithm, content).hexdigest()
            place.check(path, len(content), algorithm, value.upper())
            for wrong in (content[:-1], content + b'\0', bytes([content[0] ^ 1]) + content[1:]):
                with open(path, 'wb') as file:
                    file.write(wrong)
                with self.assertRaises(QuarryError):
                    place.check(path, len(content), algorithm, value)
            with open(path, 'wb') as file:
                file.write(content)
        with self.assertRaises(QuarryError):
            place.check(path, len(content), 'sha513', '00')
