import logging
import os
import time

from quarry_nova import config
from quarry_nova import place
from quarry_nova import tokens
from quarry_nova.daemon import Daemon
from quarry_nova.errors import QuarryError

LOG = logging.getLogger(__name__)


def fetch_image(context, image_id, path):
    """Puts the image at `path`, with the hash that Glance names. Raises QuarryError, and then no file is there."""
    started = time.time()
    options = config.load()
    place.check_destination(path)
    try:
        with Daemon(options.socket, options.timeout).export(image_id, tokens.headers_of(context)) as (export, give_up):
            how = place.place(export.path, path)
            # before the hash, not after: with a hard link nobody else may have a name for what Nova has
            give_up(how)
            place.check(path, export.size, export.algorithm, export.value)
    except QuarryError:
        place.remove(path)
        raise
    except OSError as error:
        place.remove(path)
        raise QuarryError('cannot put image %s at %s: %s' % (image_id, path, os.strerror(error.errno or 0)))
    except BaseException:
        place.remove(path)  # the task was ended
        raise
    LOG.info('Quarry put image %s at %s by %s: %d bytes in %.1f s', image_id, path, how, export.size,
             time.time() - started)
