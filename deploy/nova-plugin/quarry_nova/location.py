import re

_ID = re.compile(r'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')


def image_id_in(url_parts):
    """The image's id where Glance's stores put it, the last part of the location's path that is one; or None."""
    for part in reversed((url_parts.path or '').split('/')):
        if _ID.match(part):
            return part
    return None
