"""A file brought to another path by the cheapest way that the file system has, and its hash.

Nova may run on eventlet: whatever takes long lets others go on between two steps, by sleeping for no time.
"""
import errno
import fcntl
import hashlib
import os
import stat
import time

from quarry_nova.errors import QuarryError

# _IOW(0x94, 9, int), ioctl_ficlonerange(2)
FICLONE = 0x40049409
STEP = 1 << 20


def check_destination(path):
    """Only a plain file may be replaced: what else Nova may have there is not ours to remove. Raises QuarryError."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise QuarryError('cannot look at %s: %s' % (path, error.strerror))
    if not stat.S_ISREG(mode):
        raise QuarryError('%s is there and is no plain file' % path)


def place(source, destination):
    """Makes `destination` what `source` is: 'reflink', 'link' or 'copy' tells how. Raises OSError and leaves nothing."""
    remove(destination)
    try:
        with open(source, 'rb') as read, _create(destination) as written:
            try:
                fcntl.ioctl(written.fileno(), FICLONE, read.fileno())
                return 'reflink'
            except OSError:
                pass  # another file system, or one that cannot
            os.unlink(destination)
            try:
                os.link(source, destination)
                return 'link'
            except OSError:
                pass  # another file system, or proc(5) protected_hardlinks
            with _create(destination) as copied:
                _copy(read.fileno(), copied.fileno())
            return 'copy'
    except BaseException:
        remove(destination)
        raise


def check(path, size, algorithm, value):
    """Reads the file as it lies there, and has it on the disk as Nova has what it downloads. Raises QuarryError."""
    try:
        digest = hashlib.new(algorithm)
    except ValueError:
        raise QuarryError('this Python has no %s' % algorithm)
    with open(path, 'rb') as file:
        length = 0
        for block in iter(lambda: file.read(STEP), b''):
            digest.update(block)
            length += len(block)
            time.sleep(0)
        os.fsync(file.fileno())
    if length != size:
        raise QuarryError('the file has %d bytes, and the image %d' % (length, size))
    if digest.hexdigest() != value.lower():
        raise QuarryError('the file has the %s %s, and the image %s' % (algorithm, digest.hexdigest(), value))


def remove(path):
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _create(path):
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), 'wb', buffering=0)


def _copy(source, destination):
    """Holes stay holes."""
    size = os.fstat(source).st_size
    os.ftruncate(destination, size)
    offset = 0
    while offset < size:
        try:
            offset = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # only a hole is left
            raise
        end = os.lseek(source, offset, os.SEEK_HOLE)
        while offset < end:
            block = os.pread(source, min(STEP, end - offset), offset)
            if not block:
                return  # cut meanwhile: the hash will tell
            offset += os.pwrite(destination, block, offset)
            time.sleep(0)
