"""What Nova from Victoria on still has: handlers of GlanceImageServiceV2, by the scheme of an image's location.

Nova has no setting for them any more, so its class is changed when this module is imported. nova-compute imports it
because of an entry point among its monitors, and then refuses it as a monitor, with one line in its log.

Nova tells a handler neither the image's id nor, unless Glance shows where images lie, anything at all. So `download`
keeps the id for as long as it runs, and sees one location more than there is.
"""
import functools
import importlib
import logging
import threading

from quarry_nova import config
from quarry_nova import fetch
from quarry_nova.errors import QuarryError

LOG = logging.getLogger(__name__)

# Of a thread, or of a green one.
_current = threading.local()


def handle(context, url_parts, dst_path, metadata=None):
    image_id = getattr(_current, 'image_id', None)
    if image_id is None:
        raise QuarryError('Nova did not say which image it is')
    if _current.is_tried:
        raise QuarryError('image %s was asked for already, at another of its locations' % image_id)
    _current.is_tried = True
    fetch.fetch_image(context, image_id, dst_path)


def install(service, schemes):
    """Adds the handler to each object of the class. What is not as expected is left as it is: Nova must go on without us."""
    if getattr(service, '_quarry', False):
        return
    service._quarry = True
    begin, show, download = service.__init__, service.show, service.download

    @functools.wraps(begin)
    def __init__(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        handlers = getattr(self, '_download_handlers', None)
        if isinstance(handlers, dict):
            for scheme in schemes:
                handlers.setdefault(scheme, handle)

    @functools.wraps(show)
    def show_with_location(self, context, image_id, *args, **kwargs):
        image = show(self, context, image_id, *args, **kwargs)
        if config.ANY in schemes and getattr(_current, 'image_id', None) == image_id and 'locations' in image:
            here = {'url': '%s:///%s' % (config.ANY, image_id), 'metadata': {}}
            image['locations'] = [here] + list(image['locations'] or [])
        return image

    @functools.wraps(download)
    def download_with_id(self, context, image_id, *args, **kwargs):
        _current.image_id, _current.is_tried = image_id, False
        try:
            return download(self, context, image_id, *args, **kwargs)
        finally:
            _current.image_id = None

    service.__init__, service.show, service.download = __init__, show_with_location, download_with_id


def _find_service():
    try:
        importlib.import_module('nova.image.download')
    except ImportError:
        from nova.image import glance
        return glance.GlanceImageServiceV2
    return None  # Ussuri or older: `transfer` is asked there


try:
    _service = _find_service()
    if _service is not None:
        install(_service, config.load().schemes)
        LOG.info('Images are asked for at Quarry first')
except Exception:
    LOG.exception('Images come without Quarry')
