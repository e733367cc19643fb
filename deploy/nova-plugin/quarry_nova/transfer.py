"""The interface `nova.image.download.modules` of Nova from Havana to Ussuri.

Nova asks the module for its schemes and a handler, and calls the handler for locations whose scheme is in
`[glance] allowed_direct_url_schemes`. It tells a location only, no id: the id is what Glance's stores put into it.
"""
from quarry_nova import config
from quarry_nova import fetch
from quarry_nova import location
from quarry_nova.errors import QuarryError


class QuarryTransfer(object):
    def download(self, context, url_parts, dst_path, metadata, **kwargs):
        image_id = location.image_id_in(url_parts)
        if image_id is None:
            raise QuarryError('the location of the image, %s:, does not tell which one it is' % url_parts.scheme)
        fetch.fetch_image(context, image_id, dst_path)


def get_download_handler(**kwargs):
    return QuarryTransfer()


# Havana's spelling
get_download_hander = get_download_handler


def get_schemes():
    return [scheme for scheme in config.load().schemes if scheme != config.ANY]
